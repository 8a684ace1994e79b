// QueryHelp: descriptions of switches in a query, for the description of the API.

export const dryRun = 'Return what would change, without changing it.';
export const override = 'Forget what operators changed, all of it or the named fields, instead of removing.';
export const wait = 'Respond when its requests are finished, or after this time.';
