// Layer: where a value came from.

/**
 * The origin of a thing: a plugin that finds servers (its source's name), the config, or an operator through the API or
 * the cluster.
 */
export type Layer = `discovered:${string}` | 'config' | OperatorLayer;

/** The layer of an operator's row: kept by this Weldr, or shared by a cluster. */
export type OperatorLayer = 'api' | 'cluster';
