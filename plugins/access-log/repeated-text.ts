// RepeatedText: a member of a line whose value is mostly the one of the line before, such as the host: it is put together
// when it changes.
import { jsonText } from './escaping.ts';

/** One member of an object in JSON. */
export class RepeatedText {
  private readonly key: string;
  private value: string | undefined = undefined;
  private member = '';

  /** @param key as it stands before the value, such as `,"host":` */
  constructor(key: string) {
    this.key = key;
  }

  of(value: string): string {
    if (value !== this.value) {
      this.value = value;
      this.member = this.key + jsonText(value);
    }
    return this.member;
  }
}
