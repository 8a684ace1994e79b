// A request as explained or traced by the admin API, with each plugin's decision in order.

interface Edit {
  readonly of: string;
  readonly field: string;
  readonly before?: string;
  readonly after?: string;
}

interface Candidate {
  readonly server: string;
  readonly chosen: boolean;
  readonly available: boolean;
  readonly why?: string;
}

export interface Step {
  readonly stage: string;
  readonly plugin: string;
  readonly word: string;
  readonly ms?: number;
  readonly route?: string;
  readonly pool?: string;
  readonly server?: string;
  readonly status?: number;
  readonly why?: string;
  readonly edits?: readonly Edit[];
  readonly notes?: readonly string[];
  readonly servers?: readonly Candidate[];
}

export interface Explanation {
  readonly worker?: number;
  readonly method: string;
  readonly url: string;
  readonly clientIp: string;
  readonly steps: readonly Step[];
  readonly route?: string;
  readonly pool: string;
  readonly server?: string;
  readonly response: {
    readonly status: number;
    readonly by: string;
    readonly plugin?: string;
    readonly why?: string;
  };
  readonly ms: number;
}
