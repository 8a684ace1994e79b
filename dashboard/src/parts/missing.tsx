// Placeholders for pages and lists without content.
import type { ComponentChildren } from 'preact';

/** Says which plugin to add. */
export function MissingPlugin({ plugin, gives }: { readonly plugin: string; readonly gives: string }) {
  return (
    <section class="card empty">
      <h2>Nothing to show yet</h2>
      <p>
        The plugin <code>{plugin}</code> adds {gives}. Add it to the config and reload:
      </p>
      <pre>{`plugins: [ …, ${plugin}() ]\n\n$ weldr reload`}</pre>
    </section>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section class="card empty">
      <h2>{title}</h2>
      {children}
    </section>
  );
}
