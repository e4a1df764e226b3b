// Reads the values of options. Each reader gives a value or throws one line that says what would be right.

import { usageError } from './exit-status.ts';

/** A whole number in a range. */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const n = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(n >= least && n <= most)) {
    throw usageError(`${option} ${text}: not a whole number from ${least} to ${most}`);
  }
  return n;
}

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
const SMALLEST_MEMORY = 16 * 2 ** 20;

/** 1G, 512M, 65536K, or a plain number of MiB as QEMU takes it. Given back as it is; the machine knows the upper limit. */
export function memorySize(text: string): string {
  const match = /^(\d+)([KMG]?)(?:i?B)?$/i.exec(text);
  if (!match) throw usageError(`--memory ${text}: not a size; write for example 512M or 1G`);
  const bytes = Number(match[1]) * UNITS[match[2].toUpperCase() || 'M'];
  if (bytes < SMALLEST_MEMORY) throw usageError(`--memory ${text}: too small; give at least 16M`);
  return text;
}

/** One of a few words. */
export function oneOf<T extends string>(option: string, text: string, words: readonly T[]): T {
  const found = words.find((word) => word === text);
  if (found === undefined) throw usageError(`${option} ${text}: not one of ${words.join(', ')}`);
  return found;
}

export interface DriveOption {
  readonly file: string;
  readonly readOnly: boolean;
}

/** FILE or FILE,ro. */
export function driveOption(text: string): DriveOption {
  const readOnly = text.endsWith(',ro');
  const file = readOnly ? text.slice(0, -3) : text.replace(/,rw$/, '');
  if (file === '') throw usageError(`--drive ${text}: names no file; write --drive FILE or --drive FILE,ro`);
  return { file, readOnly };
}

/** mte=on,pauth=off: names with what they are set to; a bare name means on. */
export function cpuFeatures(text: string): Record<string, boolean> {
  const features: Record<string, boolean> = {};
  for (const part of text.split(',').filter(Boolean)) {
    const [name, value = 'on'] = part.split('=', 2);
    if (value !== 'on' && value !== 'off') throw usageError(`--cpu ${part}: write ${name}=on or ${name}=off`);
    features[name] = value === 'on';
  }
  return features;
}

export type Endpoint =
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** PORT or unix:PATH. */
export function endpointOption(option: string, text: string): Endpoint {
  if (text.startsWith('unix:') && text.length > 5) return { kind: 'unix', path: text.slice(5) };
  if (!/^\d+$/.test(text)) throw usageError(`${option} ${text}: write a port number or unix:PATH`);
  return { kind: 'tcp', port: wholeNumber(option, text, 1, 65535) };
}
