// Shows a response of the admin API as a tree of its values.

export function ValueTree({ value }: { readonly value: unknown }) {
  if (Array.isArray(value)) {
    if (value.length === 0) return <span class="muted">none</span>;
    return (
      <ol class="tree">
        {value.map((item, index) => (
          <li key={index}>
            <ValueTree value={item} />
          </li>
        ))}
      </ol>
    );
  }
  if (typeof value === 'object' && value !== null) {
    return (
      <dl class="tree">
        {Object.entries(value).map(([name, item]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <ValueTree value={item} />
            </dd>
          </div>
        ))}
      </dl>
    );
  }
  if (value === null || value === undefined || value === '') return <span class="muted">none</span>;
  return <span class="value">{String(value)}</span>;
}
