// What switches in a query mean, for the description of the API.

export const dryRun = 'Answer what would change, and change nothing.';
export const override =
  'Forget what an operator changed, whole or the fields that it names, in place of removing.';
export const wait = 'Answer when its requests are finished, or after this time.';
