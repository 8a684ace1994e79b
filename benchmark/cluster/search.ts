// Searches the model of the hand-over for two holders, for longer than the tests do:
// `node benchmark/cluster/search.ts [RUNS]`.
import { adversary, type Protocol, protocol, search } from './hand-over.ts';

const runs = Number(process.argv[2] ?? 5000);

const report = (name: string, p: Protocol) => {
  const { handOvers, violations } = search(p, adversary, runs);
  const first = violations[0] === undefined ? '' : ` (the first: ${violations[0]})`;
  console.log(
    `${name}: ${runs} runs, ${handOvers} hand-overs, two holders ${violations.length} times${first}`,
  );
};

report('the defaults', protocol);
report('a lease of 5 s', { ...protocol, lease: 5000, renew: 625 });
report('without the lateness of the kernel', { ...protocol, kernelLateness: 0 });
report('counting from the answer', { ...protocol, countFromAsking: false });
report("without the majority's confirmation", { ...protocol, confirm: false });
report('counting on a hold-off of 600 ms that nobody waits', {
  ...protocol,
  holdOff: 600,
  waitHoldOff: false,
});
report('without an end for frozen commands', { ...protocol, guard: false });
