// Who performs the calls of one kind of recording.

import type { Host } from '../../hypervisor/slots/index.ts';
import type { Answer, AskedFields, RawLine } from './recording.ts';

/** The fields of each op that are its answer; the others are what was asked. */
export type AnswerFields = Readonly<Record<string, readonly string[]>>;

export interface Player {
  readonly host: Host;
  readonly answerFields: AnswerFields;
  readonly askedFields: Readonly<Record<string, AskedFields>>;
  /** Our answer to a call whose op is in `answerFields`. */
  perform(call: RawLine): Answer;
  dispose(): void;
}
