// What the person who started the machine can put right, as opposed to Errno (a caller's misuse of the
// hypervisor) and to broken invariants.

/** One sentence: which file or option, what is wrong with it, what to do. The CLI exits with status 2. */
export class UserError extends Error {
  readonly exitStatus = 2;

  constructor(sentence: string) {
    super(sentence);
    this.name = 'UserError';
  }
}
