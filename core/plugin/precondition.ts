// Precondition: what a caller expects before a change, by If-Match and If-None-Match (RFC 9110 section 13.1).
import { WeldrError } from '../errors.ts';

/** The fields of a request that hold it, unparsed. */
export interface PreconditionFields {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

const entityTag = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/** Conditions on the entity-tag of one thing. */
export class Precondition {
  /** Whether there is no condition. */
  readonly isNone: boolean;
  readonly #match: readonly string[] | undefined;
  readonly #noneMatch: readonly string[] | undefined;

  /** Throws INPUT_INVALID unless a field is a list of entity-tags. */
  constructor({ ifMatch, ifNoneMatch }: PreconditionFields) {
    this.#match = tagsOf('If-Match', ifMatch);
    this.#noneMatch = tagsOf('If-None-Match', ifNoneMatch);
    this.isNone = this.#match === undefined && this.#noneMatch === undefined;
  }

  /** Throws PRECONDITION_FAILED unless a thing with this entity-tag (undefined: none exists) meets the condition. */
  check(etag: string | undefined): void {
    // Weak tags never match here: their comparison says nothing about the bytes (RFC 9110 section 8.8.3.2).
    if (this.#match !== undefined && !matches(this.#match, etag)) {
      const why = etag === undefined ? 'there is none' : `its ETag is ${etag} now`;
      throw new WeldrError('PRECONDITION_FAILED', `If-Match: ${why}; look at it and try again`);
    }
    const none = this.#noneMatch?.map(tag => tag.replace(/^W\//, ''));
    if (none !== undefined && matches(none, etag)) {
      throw new WeldrError('PRECONDITION_FAILED', `If-None-Match: it already exists, with the ETag ${etag}`);
    }
  }

  /** For things without an entity-tag. Throws PRECONDITION_FAILED if there is a condition. */
  refuse(what: string): void {
    if (this.isNone) return;
    throw new WeldrError(
      'PRECONDITION_FAILED',
      `${what} takes no If-Match and no If-None-Match: leave them out`,
    );
  }
}

/** No conditions. */
export const noPrecondition = new Precondition({});

function matches(tags: readonly string[], etag: string | undefined): boolean {
  return etag !== undefined && (tags.includes('*') || tags.includes(etag));
}

function tagsOf(field: string, text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const tags = text.split(',').map(tag => tag.trim());
  const isList = tags.every(tag => entityTag.test(tag)) || (tags.length === 1 && tags[0] === '*');
  if (isList) return tags;
  throw new WeldrError('INPUT_INVALID', `${field}: expected entity-tags such as "abc" in quotes, or *`, {
    field,
  });
}
