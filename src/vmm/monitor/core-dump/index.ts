export { DUMP_COMMANDS } from './commands.ts';
export { type CoreSink, type DumpOptions, type DumpSummary, dumpCore } from './dump.ts';
export { dumpCoreToFile } from './file.ts';
export type { AddressRange } from './notes.ts';
