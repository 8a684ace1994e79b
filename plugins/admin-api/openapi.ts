// OpenApi: GET /openapi.json: an OpenAPI 3.1 description of the admin API, built from its routes and their schemas.

import { type JsonSchema, toJsonSchema } from '../../core/options/json-schema.ts';
import type { AdminRoute, AdminRoutes } from '../../core/plugin/admin.ts';

const problem = {
  description: 'What is wrong (RFC 9457).',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

const problemSchema: JsonSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string', examples: ['urn:weldr:problem:not-found'] },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', examples: ['NOT_FOUND'] },
    field: { type: 'string', description: 'The path of the wrong field.' },
  },
};

const conditions = [
  headerOf('If-Match', 'Change it only if its ETag is one of these, else 412.'),
  headerOf('If-None-Match', '`*`: only if it does not exist, else 412.'),
];

/** Adds the route. */
export function addOpenApiRoute(admin: AdminRoutes, version: string): void {
  let made: { readonly routes: number; readonly document: object } | undefined;
  admin.add({
    method: 'GET',
    path: '/openapi.json',
    rel: 'service-desc',
    summary: 'This description',
    answers: { 200: 'An OpenAPI 3.1 document' },
    handle() {
      // Later plugins of the config add their routes later.
      if (made?.routes !== admin.size) made = { routes: admin.size, document: describeApi(admin, version) };
      return { status: 200, body: made.document };
    },
  });
}

/** Returns the description of all routes. */
export function describeApi(routes: AdminRoutes, version: string): object {
  const paths = new Map<string, Record<string, object>>();
  const shared: Record<string, JsonSchema> = {};
  for (const route of routes) {
    // The files of a page are not part of the API.
    if (route.rel === undefined && route.access === 'everybody') continue;
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths.set(path, { ...paths.get(path), [route.method.toLowerCase()]: operationOf(route, shared) });
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'Weldr admin API',
      version,
      description: 'Changes servers, pools and routes at run time and reports the state of Weldr.',
      license: { name: 'MIT OR Apache-2.0', identifier: 'MIT OR Apache-2.0' },
    },
    security: [{}, { token: [] }],
    paths: Object.fromEntries(paths),
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: problemSchema, ...shared },
    },
  };
}

/** `shared` collects schemas that others refer to. */
function operationOf(route: AdminRoute, shared: Record<string, JsonSchema>): object {
  const { method, path, rel, summary, query, body, answers = {}, conditional, streams } = route;
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...Object.entries(query ?? {}).map(([name, description]) => ({
      name,
      in: 'query',
      description,
      allowEmptyValue: true,
      schema: { type: 'string' },
    })),
    ...(conditional === true ? conditions : []),
  ];
  return {
    operationId: rel ?? `${method} ${path}`,
    ...(summary !== undefined && { summary }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: bodyOf(toJsonSchema(body), shared) }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(answer => answerOf(answer, streams))),
      default: problem,
    },
  };
}

function answerOf([status, description]: [string, string], streams: AdminRoute['streams']): [string, object] {
  if (status === '204') return [status, { description }];
  const stream = streams === true ? { 'text/event-stream': { schema: { type: 'string' } } } : {};
  const content = status.startsWith('2') ? { 'application/json': {}, ...stream } : problem.content;
  return [status, { description, content }];
}

function bodyOf({ $schema: _, ...whole }: JsonSchema, shared: Record<string, JsonSchema>): object {
  // Definitions within a schema move to the shared schemas of the description.
  const text = JSON.stringify(whole).replaceAll('"#/$defs/', '"#/components/schemas/');
  const { $defs = {}, ...schema }: JsonSchema = JSON.parse(text);
  Object.assign(shared, $defs);
  return { required: true, content: { 'application/json': { schema } } };
}

function headerOf(name: string, description: string): object {
  return { name, in: 'header', description, schema: { type: 'string' } };
}
