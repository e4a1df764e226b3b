export type { BoardRow, Wiring } from './board.ts';
export type { FileSource } from './boot/index.ts';
export { MachineConsole } from './console.ts';
export { ConsoleReader, type OutputListener } from './console-reader.ts';
export { UserError } from './errors.ts';
export {
  Machine,
  type MachineEnd,
  type MachineEvents,
  type MachineState,
  type MachineStats,
} from './machine.ts';
export type { DriveOptions, MachineOptions } from './options.ts';
export type { PciFunction } from './pci-row.ts';
export {
  type MachineDebugger,
  type MachineVcpu,
  type OpenVm,
  type PageExplanation,
  type Protection,
  prepareVm,
  type VcpuDebug,
  type VmConfig,
} from './prepare-vm.ts';
export type { VirtioSlot } from './virtio-rows.ts';
