export { GdbServer } from './gdb-server.ts';
export { type GdbMachine, GdbSession } from './session.ts';
