import { describe, expect, it } from 'vitest';
import { translateQemuSpelling } from '../../src/cli/qemu-spelling.ts';

const translate = (line: string): string => translateQemuSpelling(line.split(' ')).join(' ');

describe("QEMU's spellings", () => {
  it.each([
    ['-kernel Image -initrd rd', '--kernel Image --initrd rd'],
    ['-m 512', '--memory 512'],
    ['-m size=2G,slots=2', '--memory 2G'],
    ['-smp 4', '--smp 4'],
    ['-smp cpus=2,maxcpus=4', '--smp 2'],
    ['-nographic', '--serial stdio'],
    ['-drive file=disk.raw,format=raw,if=virtio', '--drive disk.raw'],
    ['-drive file=a,,b.raw,readonly=on', '--drive a,b.raw,ro'],
    ['-gdb tcp::1234 -S', '--gdb 1234 --paused'],
    ['-s', '--gdb 1234'],
    ['-qmp unix:/tmp/q,server=on,wait=off', '--qmp unix:/tmp/q'],
    ['-qmp tcp:localhost:4444,server,nowait', '--qmp 4444'],
    ['-serial mon:stdio', '--serial stdio'],
    ['-serial file:log', '--serial log'],
    ['-M virt,gic-version=2,mte=on', '--gic 2 --cpu mte=on'],
    ['-machine virt,highmem=off', ''],
    ['-cpu max,pauth=off', '--cpu pauth=off'],
    ['-cpu max -accel tcg,thread=single', ''],
    ['--memory 1G debian', '--memory 1G debian'],
  ])('%s is %s', (given, meant) => {
    expect(translate(given)).toBe(meant);
  });

  it('leave the values of our own options alone', () => {
    expect(translateQemuSpelling(['--append', '-m', '-m', '1G'])).toEqual([
      '--append',
      '-m',
      '--memory',
      '1G',
    ]);
  });

  it('leave what follows -- alone', () => {
    expect(translateQemuSpelling(['--', '-m', '1G'])).toEqual(['--', '-m', '1G']);
  });

  it.each([
    ['-m', /-m needs a value/],
    ['-drive if=virtio', /names no file/],
    ['-drive file=x.qcow2,format=qcow2', /qemu-img convert/],
    ['-M q35', /the only machine is 'virt'/],
    ['-M virt,virtualization=on', /EL1 and EL0 only/],
    ['-device e1000', /the board is fixed/],
    ['-gdb tcp:0.0.0.0:1', /only this machine can connect/],
  ])('%s is refused with advice', (given, message) => {
    expect(() => translate(given)).toThrow(message);
  });
});
