// The formats `common` and `combined`, as Apache and nginx write them.
import { quotedText } from './escaping.ts';
import { fieldReader, type LineFormat, type LineMeans } from './line-means.ts';
import { bounded, maxPath } from './request-facts.ts';

/** Returns one of the two; `combined` ends with Referer and User-Agent. */
export function clfLine(means: LineMeans, format: 'common' | 'combined'): LineFormat {
  const { redaction, moments } = means;
  const referer = fieldReader('referer', redaction);
  const agent = fieldReader('user-agent', redaction);
  return ctx => {
    const { method, target, version, headers } = ctx.request;
    const path = quotedText(bounded(redaction.of(target), maxPath));
    const asked = method === '' ? '-' : `${quotedText(method)} ${path} HTTP/${version}`;
    const time = moments.clfText(means.startOf(ctx));
    const line = `${ctx.clientIp} - - [${time}] "${asked}" ${ctx.status} ${ctx.bytesOut}`;
    if (format === 'common') return `${line}\n`;
    const from = quotedText(referer.read(headers) ?? '-');
    return `${line} "${from}" "${quotedText(agent.read(headers) ?? '-')}"\n`;
  };
}
