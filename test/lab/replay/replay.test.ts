import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import {
  cpuRunners,
  formatReplay,
  portRunners,
  RecordingError,
  replay,
} from '../../../src/lab/replay/index.ts';

const golden = (name: string): string[] =>
  gunzipSync(readFileSync(new URL(`../../golden/${name}`, import.meta.url)))
    .toString()
    .split('\n');

describe('replay of a recording of a real KVM/arm64 (Linux 7.2)', () => {
  it.each([
    ['the emulated CPU', cpuRunners],
    ['the vCPU’s port', portRunners],
  ])(
    'comes to the same answer in every call, the guest’s program on %s',
    (_, runners) => {
      const result = replay(golden('kvm-arm64-linux-7.2.jsonl.gz'), { runners });
      expect(formatReplay(result)).toBe('replay: 47286 calls, 0 differ');
    },
    180_000,
  );

  it('comes to the same answer as a real pKVM, from both sides of the wall', () => {
    const result = replay(golden('pkvm-arm64-linux-7.2.jsonl.gz'));
    expect(formatReplay(result)).toBe('replay: 24193 calls, 0 differ');
  }, 180_000);

  it('leaves a state that the audit finds nothing in, at any call of either recording', () => {
    for (const name of ['kvm-arm64-linux-7.2.jsonl.gz', 'pkvm-arm64-linux-7.2.jsonl.gz']) {
      let calls = 0;
      replay(golden(name).slice(0, 12_000), {
        runners: portRunners,
        afterCall: ({ ledger }) => {
          ledger.watchful = true;
          if (++calls % 97 === 0) expect(audit(ledger)).toEqual([]);
        },
      });
    }
  }, 180_000);

  it('shows what differs and the calls that led to it', () => {
    const lines = [
      '{"op":"vm","seq":7,"code":0,"vcpu":1}',
      '{"op":"vmm","arena":"1000","w":"5","v":"5"}',
      '{"op":"vmm","arena":"1000","w":0,"v":"6"}',
      '{"op":"guest","gpa":"80000000","w":0,"val":"1","r":"ok","v":"0"}',
    ];
    const result = replay(lines, { keep: 1 });
    expect(result).toMatchObject({ calls: 4, differ: 2 });
    expect(result.differences).toEqual([
      {
        line: 3,
        sequence: 7,
        call: JSON.parse(lines[2]),
        expected: { v: '6' },
        got: { v: '5' },
        before: lines.slice(0, 2),
      },
    ]);
    const text = formatReplay(result);
    expect(text).toContain('line 3 (sequence 7): vmm came to {"v":"5"}, recorded {"v":"6"}');
    expect(text.split('\n').slice(-2)).toEqual(['and 1 more', 'replay: 4 calls, 2 differ']);
  });

  it('refuses a line that is no call', () => {
    expect(() => replay(['{"op":"vm","seq":0,"code":0,"vcpu":1}', 'nonsense'])).toThrow(RecordingError);
    expect(() => replay(['{"op":"toString"}'])).toThrow('line 1: has no known "op": toString');
    const begun = '{"op":"vm","seq":0,"code":0,"vcpu":1}';
    expect(() => replay(['{"op":"capmte","flags":0,"r":0}'])).toThrow(
      'line 1: capmte comes before the first "vm"',
    );
    expect(() => replay([begun, '{"op":"tags","ipa":"x","r":0}'])).toThrow(
      'line 2: "ipa" of tags is no hexadecimal number in quotes',
    );
    expect(() => replay([begun, '{"op":"memfd","size":"1000","flags":"3","r":0}'])).toThrow(
      'line 2: "flags" of memfd is no whole number',
    );
  });
});
