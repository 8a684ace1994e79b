// `weldr cluster status`: members, leader and store, as this node sees them.
import type { AdminClient } from '../admin-client.ts';
import { formatTable } from '../table.ts';
import { toJson } from './servers.ts';

/** What `GET /cluster` says. */
export async function clusterStatus(admin: AdminClient, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'GET', path: '/cluster' });
  if (json || typeof answer !== 'object' || answer === null) return toJson(answer);
  const facts: string[][] = [];
  const tables: string[] = [];
  for (const [name, value] of Object.entries(answer)) {
    if (name === 'links') continue;
    if (isRows(value)) tables.push(`${name}\n${rowsTable(value)}`);
    else
      facts.push([name, typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)]);
  }
  return [formatTable(['', ''], facts).trimStart(), ...tables].join('\n\n');
}

function isRows(value: unknown): value is readonly Record<string, unknown>[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every(row => typeof row === 'object' && row !== null)
  );
}

function rowsTable(rows: readonly Record<string, unknown>[]): string {
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))].filter(name => name !== 'links');
  return formatTable(
    columns.map(name => name.toUpperCase()),
    rows.map(row =>
      columns.map(name => {
        const value = row[name];
        return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? '-');
      }),
    ),
  );
}
