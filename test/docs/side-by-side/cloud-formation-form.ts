// The schema of the CloudFormation resources in docs/from-alb.md.
import { defaultLoaders } from 'cosmiconfig';
import { z } from 'zod';
import type { PeerKind } from './peer-kind.ts';

const ref = z.strictObject({ Ref: z.string() });
const attributes = z.array(z.strictObject({ Key: z.string(), Value: z.string() })).optional();
const config = z.record(z.string(), z.unknown()).optional();
const action = z.strictObject({
  Type: z.enum(['forward', 'redirect', 'fixed-response', 'authenticate-oidc']),
  Order: z.number().optional(),
  TargetGroupArn: ref.optional(),
  ForwardConfig: config,
  RedirectConfig: config,
  FixedResponseConfig: config,
  AuthenticateOidcConfig: config,
});

const resource = z.discriminatedUnion('Type', [
  z.strictObject({
    Type: z.literal('AWS::ElasticLoadBalancingV2::LoadBalancer'),
    Properties: z.strictObject({
      Type: z.literal('application'),
      Subnets: z.array(z.string()).min(2),
      LoadBalancerAttributes: attributes,
    }),
  }),
  z.strictObject({
    Type: z.literal('AWS::ElasticLoadBalancingV2::Listener'),
    Properties: z.strictObject({
      LoadBalancerArn: ref,
      Port: z.number(),
      Protocol: z.enum(['HTTP', 'HTTPS']),
      SslPolicy: z.string().optional(),
      Certificates: z.array(z.strictObject({ CertificateArn: ref })).optional(),
      MutualAuthentication: config,
      DefaultActions: z.array(action),
      ListenerAttributes: attributes,
    }),
  }),
  z.strictObject({
    Type: z.literal('AWS::ElasticLoadBalancingV2::ListenerRule'),
    Properties: z.strictObject({
      ListenerArn: ref,
      Priority: z.number().int().min(1).max(50_000),
      Conditions: z.array(
        z.looseObject({
          Field: z.enum([
            'host-header',
            'path-pattern',
            'http-header',
            'http-request-method',
            'query-string',
            'source-ip',
          ]),
        }),
      ),
      Actions: z.array(action),
      Transforms: z.array(z.looseObject({ Type: z.enum(['url-rewrite', 'host-header-rewrite']) })).optional(),
    }),
  }),
  z.strictObject({
    Type: z.literal('AWS::ElasticLoadBalancingV2::TargetGroup'),
    Properties: z.strictObject({
      VpcId: ref,
      Port: z.number(),
      Protocol: z.enum(['HTTP', 'HTTPS', 'TCP']),
      ProtocolVersion: z.enum(['HTTP1', 'HTTP2', 'GRPC']).optional(),
      TargetType: z.literal('ip'),
      HealthCheckPath: z.string().optional(),
      HealthCheckIntervalSeconds: z.number().min(5).max(300).optional(),
      HealthCheckTimeoutSeconds: z.number().min(2).max(120).optional(),
      HealthyThresholdCount: z.number().min(2).max(10).optional(),
      UnhealthyThresholdCount: z.number().min(2).max(10).optional(),
      Matcher: z.strictObject({ HttpCode: z.string() }).optional(),
      Targets: z.array(z.strictObject({ Id: z.string(), Port: z.number() })).optional(),
      TargetGroupAttributes: attributes,
    }),
  }),
  z.strictObject({ Type: z.literal('AWS::WAFv2::WebACL'), Properties: z.record(z.string(), z.unknown()) }),
]);

/** The kind of a page whose resources are only checked against the schema. */
export const cloudFormation: PeerKind = {
  name: 'CloudFormation',
  check: async template => {
    z.record(z.string(), resource).parse(defaultLoaders['.yaml']('template.yaml', template));
  },
};
