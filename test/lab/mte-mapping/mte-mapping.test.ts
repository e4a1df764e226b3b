import { describe, expect, it } from 'vitest';
import { assembleProgram } from '../../../src/hardware/a64/index.ts';
import {
  DESIGNS,
  formatOutcomes,
  GRANULES,
  type Outcome,
  runDesign,
} from '../../../src/lab/mte-mapping/index.ts';
import { programBytes, RAM, SOURCE } from '../../../src/lab/mte-mapping/program.ts';

const outcomes = new Map<string, Outcome>(DESIGNS.map((design) => [design.name, runDesign(design)]));
const of = (name: string): Outcome => outcomes.get(name) as Outcome;

describe('the guest', () => {
  it('is its text', () => {
    expect(programBytes()).toEqual(assembleProgram(SOURCE, RAM).bytes);
  });
});

describe('how a VMM maps the memory of a guest with tags', () => {
  it('untagged: every read is done, every tag stays, no tag storage is touched', () => {
    const o = of('untagged mapping');
    expect(o).toMatchObject({ vmmFaults: 0, lostTags: 0, guestFaults: 0, tagsRead: 0, tagsWritten: 0 });
    expect([o.completed, o.granulesRead]).toEqual([o.requests, GRANULES]);
  });

  it('with PROT_MTE and synchronous checks: the VMM faults at each read, and none is done', () => {
    const o = of('PROT_MTE, sync');
    expect(o).toMatchObject({ completed: 0, vmmFaults: o.requests, lostTags: 0, granulesRead: 0 });
  });

  it('with asynchronous checks: the data arrives, and so does a signal for each read', () => {
    const o = of('PROT_MTE, async');
    expect(o).toMatchObject({ completed: o.requests, vmmFaults: o.requests, granulesRead: GRANULES });
  });

  it("with the VMM's own tags: the guest loses every tag, and faults at every granule", () => {
    const o = of('PROT_MTE, retag');
    expect(o).toMatchObject({ vmmFaults: 0, lostTags: GRANULES, guestFaults: GRANULES, granulesRead: 0 });
    expect(o.tagsWritten).toBeGreaterThan(GRANULES / 2);
  });

  it("with the guest's tags asked for first: right, at the price of reading each tag twice", () => {
    const o = of('PROT_MTE, ask');
    expect(o).toMatchObject({ vmmFaults: 0, lostTags: 0, guestFaults: 0, granulesRead: GRANULES });
    expect(o.tagsRead).toBeGreaterThanOrEqual(GRANULES);
  });

  it('prints the same table each time', () => {
    const text = formatOutcomes([...outcomes.values()]);
    expect(formatOutcomes(DESIGNS.map(runDesign))).toBe(text);
    for (const { name } of DESIGNS) expect(text).toMatch(new RegExp(`^${name} +\\d/8`, 'm'));
  });
});
