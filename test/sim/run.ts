import { simulate } from "./Simulation.ts"
const from = Number(process.argv[2] ?? 1), n = Number(process.argv[3] ?? 1)
const t0 = performance.now()
const counts = new Map<string, number>()
let bad = 0
for (let seed = from; seed < from + n; seed++) {
  const run = simulate(seed)
  for (const [k, v] of run.counts) counts.set(k, (counts.get(k) ?? 0) + v)
  if (n === 1) process.stdout.write(run.lines.join("\n") + "\n")
  if (run.violations.length > 0) {
    bad++
    process.stdout.write(`seed ${seed} ${JSON.stringify(run.options)}\n${run.violations.slice(0,3).map((v) => `${v.invariant}: ${v.detail}`).join("\n")}\n`)
  }
}
process.stdout.write(JSON.stringify(Object.fromEntries(counts), null, 1) + `\n${bad} bad ${(1000 * n / (performance.now() - t0)).toFixed(1)} seeds/s\n`)
