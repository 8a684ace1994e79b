// LeadershipRoutes: POST /cluster/hand-over, PUT and DELETE /cluster/maintenance, by which operators decide, on any node, which one leads.
import { z } from 'zod';
import { parse } from '../../core/options/options.ts';
import type { AdminRoutes } from '../../core/plugin/admin.ts';
import type { ClusterNode } from './cluster-node.ts';

const nodeName = z.string().min(1).max(100);
const handOverBody = z
  .strictObject({
    to: nodeName.optional().describe('The node that leads next; default: the best candidate.'),
  })
  .optional()
  .transform(body => body ?? {});
const maintenanceBody = z
  .strictObject({ node: nodeName.optional().describe('Which node; default: the one that handles the call.') })
  .optional()
  .transform(body => body ?? {});

/** Adds the routes. */
export function addLeadershipRoutes(admin: AdminRoutes, node: ClusterNode): void {
  const { candidate, maintenance, options } = node;
  admin.add({
    method: 'POST',
    path: '/cluster/hand-over',
    rel: 'hand-over',
    summary: 'Have another node lead',
    body: handOverBody,
    answers: { 200: 'The previous leader and the new one' },
    async handle({ body, by }) {
      const { to } = parse(handOverBody, body, 'INPUT_INVALID');
      const why = `an operator (${by}) wants another node to lead`;
      return { status: 200, body: await candidate.handOver.ask({ to, by, why }) };
    },
  });
  admin.add({
    method: 'PUT',
    path: '/cluster/maintenance',
    rel: 'maintenance',
    summary: 'Put a node in maintenance: it hands over first, and does not lead until it is taken back',
    body: maintenanceBody,
    answers: { 200: 'It is in maintenance' },
    async handle({ body, by }) {
      const { node: name = options.nodeName } = parse(maintenanceBody, body, 'INPUT_INVALID');
      const { handedOverTo } = await maintenance.begin(name, by);
      return {
        status: 200,
        body: { node: name, maintenance: true, ...(handedOverTo !== undefined && { handedOverTo }) },
      };
    },
  });
  admin.add({
    method: 'DELETE',
    path: '/cluster/maintenance',
    summary: 'Have a node take part in the election again',
    query: { node: 'Which node; default: the one that handles the call.' },
    answers: { 200: 'It is not in maintenance' },
    async handle({ query }) {
      const name = query.get('node') ?? options.nodeName;
      await maintenance.end(name);
      return { status: 200, body: { node: name, maintenance: false } };
    },
  });
}
