// RepeatedText: a member of a line whose value is mostly that of the line before, such as the host; its text is rebuilt only
// when the value changes.
import { jsonText } from './escaping.ts';

/** One member of a JSON object. */
export class RepeatedText {
  private readonly key: string;
  private value: string | undefined = undefined;
  private member = '';

  /** @param key the text before the value, such as `,"host":` */
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
