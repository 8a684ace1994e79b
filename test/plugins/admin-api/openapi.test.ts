// GET /openapi.json: a valid OpenAPI 3.1 description, and every call answers as it says.
import { Validator } from '@seriousme/openapi-schema-validator';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import type { ExplainInput } from '../../../core/explain/explain-input.ts';
import type { Explanation } from '../../../core/explain/explanation.ts';
import { healthCheck } from '../../../plugins/health-check/index.ts';
import { metrics } from '../../../plugins/metrics/index.ts';
import { routes } from '../../../plugins/routes/index.ts';
import { stats } from '../../../plugins/stats/index.ts';
import { certificate, privateKey } from '../../support/certificate.ts';
import { problemsOf } from '../../support/json-schema.ts';
import { suite } from '../../support/suite.ts';
import { type Api, withApi } from './api.ts';

const test = suite('admin-api openapi');

const url = 'http://127.0.0.1:1';
const server = '/servers/127.0.0.1/1';

const operation = z.looseObject({
  operationId: z.string(),
  requestBody: z
    .looseObject({
      content: z.looseObject({ 'application/json': z.looseObject({ schema: z.looseObject({}) }) }),
    })
    .optional(),
  responses: z.record(z.string(), z.looseObject({ description: z.string() })),
});
const document = z.looseObject({
  openapi: z.string(),
  components: z.looseObject({}),
  paths: z.record(z.string(), z.record(z.string(), operation)),
});

/** A call of each operation, in an order in which each finds what it needs: method, path, body. */
const calls: readonly (readonly [id: string, method: string, path: string, body?: unknown])[] = [
  ['self', 'GET', '/'],
  ['service-desc', 'GET', '/openapi.json'],
  ['healthz', 'GET', '/healthz'],
  ['readyz', 'GET', '/readyz'],
  ['reload', 'POST', '/reload'],
  ['upgrade', 'POST', '/upgrade'],
  ['add-pool', 'POST', '/pools', { name: 'api', fallback: 'default', timeouts: { response: '5s' } }],
  ['pools', 'GET', '/pools'],
  ['pool', 'GET', '/pools/api'],
  ['update-pool', 'PATCH', '/pools/api', { fallback: null }],
  ['add-server', 'POST', '/servers', { url, weight: 2, labels: { zone: 'a' } }],
  ['servers', 'GET', '/servers?limit=1&label=zone:a'],
  ['server', 'GET', server],
  ['update-server', 'PATCH', `${server}?dryRun`, { weight: null }],
  ['remove-server', 'DELETE', `${server}?force`],
  ['pool-add-server', 'POST', '/pools/api/servers', { url }],
  ['pool-servers', 'GET', '/pools/api/servers'],
  ['pool-server', 'GET', `/pools/api${server}`],
  ['pool-update-server', 'PATCH', `/pools/api${server}`, { healthCheck: { path: '/up' } }],
  ['pool-remove-server', 'DELETE', `/pools/api${server}?wait=1s`],
  ['remove-pool', 'DELETE', '/pools/api'],
  ['put-pool', 'PUT', '/pools/other', {}],
  ['put-certificate', 'PUT', '/certificates/origin.test', { cert: certificate, key: privateKey }],
  ['certificates', 'GET', '/certificates'],
  ['certificate', 'GET', '/certificates/origin.test'],
  ['remove-certificate', 'DELETE', '/certificates/origin.test'],
  ['put-route', 'PUT', '/routes/api', { path: '/api/*', pool: 'default', bodyLimit: '1mb' }],
  ['routes', 'GET', '/routes?limit=1'],
  ['route', 'GET', '/routes/api'],
  ['update-route', 'PATCH', '/routes/api', { stripPrefix: '/api' }],
  ['test-route', 'POST', '/routes/test', { url: 'https://shop.example/api/x', headers: { 'X-A': '1' } }],
  ['remove-route', 'DELETE', '/routes/api'],
  ['batch', 'POST', '/batch', { changes: [{ op: 'add', url, value: { weight: 3 } }] }],
  ['health-check', 'GET', '/health-check'],
  ['set-health-check', 'PUT', '/health-check', { interval: '5s' }],
  ['update-health-check', 'PATCH', '/health-check', { timeout: '1s' }],
  ['reset-health-check', 'DELETE', '/health-check?override=timeout'],
  ['explain', 'POST', '/explain', { url: 'https://shop.example/' }],
  ['trace', 'POST', '/traces', { host: 'shop.example', status: '5xx', duration: '10s' }],
  ['traced', 'GET', '/traces/1?after=0'],
  ['end-trace', 'DELETE', '/traces/1'],
  ['stats', 'GET', '/stats'],
  ['stats-detail', 'GET', '/stats/detail'],
  ['stats-routes', 'GET', '/stats/routes'],
  ['plugins', 'GET', '/plugins'],
  ['metrics', 'GET', '/metrics'],
  ['events', 'GET', '/events?type=server&limit=5'],
  ['overview', 'GET', '/overview'],
  ['overview-servers', 'GET', '/overview/servers?pool=default'],
  ['export-pool', 'GET', '/pool/export'],
  ['import-pool', 'POST', '/pool/import', { rows: [] }],
  ['reset-pool', 'POST', '/pool/reset'],
];

const explain = async ({ method, url, clientIp, listener }: ExplainInput): Promise<Explanation> => {
  const response = { status: 200, by: 'upstream', headers: [] } as const;
  return {
    method,
    url,
    clientIp,
    listener,
    steps: [],
    pool: 'default',
    sends: [],
    response,
    notes: [],
    ms: 0,
  };
};

const withAll = (body: (api: Api) => Promise<void>) =>
  withApi(
    { after: [healthCheck(), stats(), metrics(), routes([])], status: { readyWorkers: 1 }, explain },
    body,
  );

async function descriptionOf(api: Api) {
  return document.parse((await api.call('GET', '/openapi.json')).body);
}

test('is valid, and describes the routes of all plugins', async () => {
  await withAll(async api => {
    const { body } = await api.call('GET', '/openapi.json');
    const { valid, errors } = await new Validator().validate(Object(body));
    assert.ok(valid, JSON.stringify(errors));
    const { openapi, paths } = await descriptionOf(api);
    assert.is(openapi, '3.1.0');
    const operations = Object.values(paths).flatMap(methods => Object.values(methods));
    assert.equal(
      operations.map(({ operationId }) => operationId).sort(),
      calls.map(([id]) => id).sort(),
      'every operation is called below',
    );
    assert.ok(operations.every(({ summary }) => typeof summary === 'string'));
  });
});

test('every call answers as described', async () => {
  await withAll(async api => {
    const { paths, components } = await descriptionOf(api);
    const operations = new Map(
      Object.values(paths).flatMap(methods => Object.values(methods).map(one => [one.operationId, one])),
    );
    for (const [id, method, path, body] of calls) {
      const described = operations.get(id);
      if (described === undefined) throw new Error(`${id} is not described`);
      const { requestBody, responses } = described;
      const schema = requestBody?.content['application/json'].schema;
      if (schema !== undefined) assert.equal(problemsOf({ ...schema, components }, body), [], id);
      const { status, text } = await api.call(method, path, body);
      assert.ok(status < 400 && String(status) in responses, `${id}: ${status} ${text}`);
    }
  });
});

test('a body that the description refuses is refused by the API', async () => {
  await withAll(async api => {
    const { paths } = await descriptionOf(api);
    for (const [path, body] of [
      ['/servers', { url, wieght: 2 }],
      ['/pools', { fallback: 'default' }],
      ['/explain', { url: '/', answer: 20 }],
      ['/batch', { changes: [{ op: 'grow', url }] }],
      ['/pool/import', { rows: [{ op: 'define' }] }],
    ] as const) {
      const schema = paths[path]?.['post']?.requestBody?.content['application/json'].schema;
      assert.ok(schema && problemsOf(schema, body).length > 0, path);
      assert.is((await api.call('POST', path, body)).status, 400, path);
    }
  });
});
