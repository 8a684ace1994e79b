// The form for a hypothetical request: for testing routes, and for explain.
import { useState } from 'preact/hooks';

export interface ThoughtOf {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface RequestFormProps {
  readonly action: string;
  readonly withHeaders: boolean;
  readonly onSubmit: (request: ThoughtOf) => Promise<void>;
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

export function RequestForm({ action, withHeaders, onSubmit }: RequestFormProps) {
  const [method, setMethod] = useState('GET');
  const [url, setUrl] = useState('');
  const [fields, setFields] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    const headers = headersOf(fields);
    const whole = /^https?:\/\//.test(url) ? url : `http://${url}`;
    await onSubmit({ method, url: whole, ...(Object.keys(headers).length > 0 && { headers }) });
    setBusy(false);
  };
  return (
    <form class="card request-form" onSubmit={submit}>
      <label>
        Method
        <select value={method} onChange={({ currentTarget }) => setMethod(currentTarget.value)}>
          {methods.map(name => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label class="grow">
        URL
        <input
          required
          placeholder="https://shop.example/api/x"
          inputMode="url"
          spellcheck={false}
          value={url}
          onInput={({ currentTarget }) => setUrl(currentTarget.value)}
        />
      </label>
      {withHeaders && (
        <label class="whole">
          Headers, one per line
          <textarea
            rows={3}
            placeholder="Cookie: a=b"
            spellcheck={false}
            value={fields}
            onInput={({ currentTarget }) => setFields(currentTarget.value)}
          />
        </label>
      )}
      <button type="submit" class="primary" disabled={busy}>
        {action}
      </button>
    </form>
  );
}

function headersOf(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*([^:\s]+)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) headers[name.toLowerCase()] = value;
  }
  return headers;
}
