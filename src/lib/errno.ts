// Errors with the kernel's names and numbers. A caller's misuse is an Errno; a guest's doing never is.

/** Linux arm64 error numbers that the KVM-shaped API can give. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EFBIG: 27,
  ENOSPC: 28,
  ERANGE: 34,
  ENOSYS: 38,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  EHWPOISON: 133,
} as const;

export type ErrnoName = keyof typeof ERRNO;

/** A failed call: the kernel's error name and one sentence that says what was wrong. */
export class Errno extends Error {
  readonly code: ErrnoName;

  constructor(code: ErrnoName, sentence: string) {
    super(`${code}: ${sentence}`);
    this.name = 'Errno';
    this.code = code;
  }

  /** The positive error number; a system call returns its negative. */
  get number(): number {
    return ERRNO[this.code];
  }
}
