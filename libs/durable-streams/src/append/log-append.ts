import type { DomainError } from '@holdfast/platform-errors';
import { keyOf, type LogHead, type LogKey, type Producer } from '../log-head.js';

/** Who may append to a reserved log from outside: the runner of one attempt of one turn. */
export interface LogAuthor {
  epoch: number;
  turn_id: string;
}

/** What is to be written to one log together, next to each other. */
export interface LogAppend extends LogKey {
  /** JSON texts on one line each, or for a log of bytes one run of bytes; empty when it only closes. */
  messages: Buffer[];
  /** Must be the log's, where messages come from outside. */
  content_type?: string;
  producer?: Producer;
  /** Set for what a runner sends to a reserved log: must be whom the log lets write now. */
  author?: LogAuthor;
  /** `Stream-Seq`: must be greater than the last one, byte by byte. */
  seq?: string;
  /** Nothing may follow. */
  close?: boolean;
  /** Set by the server's own writes that begin or end somebody's right to append. */
  writer?: LogAuthor | null;
  /** Within a transaction: left out where there is no such log, instead of failing what it is a part of. */
  if_present?: boolean;
}

/** An append and the key of its log, which is made once: making and hashing one costs as much as judging. */
export interface KeyedAppend {
  key: string;
  append: LogAppend;
}

export const keyed = (append: LogAppend): KeyedAppend => ({ key: keyOf(append), append });

/** What became of one append. */
export type AppendOutcome =
  | { kind: 'appended'; head: LogHead }
  /** It was written before; `seq` is the producer's highest, and absent when nothing but the closing was asked for. */
  | { kind: 'duplicate'; head: LogHead; seq?: number }
  | { kind: 'refused'; error: DomainError };
