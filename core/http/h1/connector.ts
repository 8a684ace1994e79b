// H1Connector: makes a worker's HTTP/1.1 connections to upstreams, which share one reader of heads.

import type { HeadLimits } from '../exchange/head-limits.ts';
import type { ConnectionHome, Connector, UpstreamConnection } from '../upstream/connection-cache.ts';
import type { Dialling } from '../upstream/dial.ts';
import type { Use } from '../upstream/stream-queue.ts';
import { ResponseHead } from './response-head.ts';
import { H1UpstreamConnection } from './upstream-connection.ts';

/** For upstreams that speak HTTP/1.1. */
export class H1Connector implements Connector {
  private readonly responseHead: ResponseHead;
  private readonly dialling: Dialling;

  constructor(limits: HeadLimits, dialling: Dialling) {
    this.responseHead = new ResponseHead(limits);
    this.dialling = dialling;
  }

  connect(home: ConnectionHome, use: Use): UpstreamConnection {
    return new H1UpstreamConnection(home, use, this.responseHead, this.dialling);
  }
}
