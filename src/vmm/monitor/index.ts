export {
  type AddressRange,
  type CoreSink,
  type DumpOptions,
  type DumpSummary,
  dumpCore,
  dumpCoreToFile,
} from './core-dump/index.ts';
export { type GdbMachine, GdbServer, GdbSession } from './gdb/index.ts';
export { type Endpoint, listen } from './listen.ts';
export {
  type Json,
  QMP_COMMANDS,
  type QmpArgument,
  type QmpCommand,
  QmpError,
  type QmpMachine,
  type QmpTable,
} from './qmp-commands.ts';
export { QmpServer } from './qmp-server.ts';
export { QmpSession } from './qmp-session.ts';
