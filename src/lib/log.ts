// One line to whoever listens; nothing in the lower storeys writes to a console.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Receives Ringfence's own messages (never the guest's console). `source` is a device or module name. */
export type Log = (level: LogLevel, source: string, message: string) => void;

export const silentLog: Log = () => {};
