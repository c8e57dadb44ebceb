/** Two programs that differ in one thing, asked at the same moments: whatever else the machine does is in both. */
import { Agent, request as httpRequest } from "node:http"
import { quantile } from "./Numbers.ts"

/** A `POST`; each with another body where there is one. */
export interface Asked {
  readonly port: number
  readonly path: string
  readonly body?: (n: number) => string
  /** Any other answer ends the measurement. */
  readonly status: number
}

const ask = ({ body, path, port, status }: Asked, agent: Agent, n: number) =>
  new Promise<number>((done, fail) => {
    const text = body?.(n)
    const headers = text === undefined
      ? {}
      : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }
    const startedAt = performance.now()
    httpRequest({ agent, port, method: "POST", path, headers }, (response) => {
      if (response.statusCode !== status) fail(new Error(`${path} was answered with ${response.statusCode}`))
      response.resume().once("end", () => done(performance.now() - startedAt))
    }).once("error", fail).end(text)
  })

/**
 * Each of them equally often, at an even pace and whether the one before is answered or not; neither is always asked
 * first. Answers the milliseconds.
 */
export const load = async (
  asked: ReadonlyArray<Asked>,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number }
) => {
  const sides = asked.map((each) => ({
    each,
    agent: new Agent({ keepAlive: true, maxSockets: 64 }),
    answers: [] as Array<Promise<number>>
  }))
  const startedAt = performance.now()
  for (let n = 0; n < seconds * perSecond; n++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const wait = startedAt + (n + turn / sides.length) * 1_000 / perSecond - performance.now()
      if (wait > 0) await new Promise((done) => setTimeout(done, wait))
      const { agent, answers, each } = sides[(n + turn) % sides.length]!
      answers.push(ask(each, agent, n))
    }
  }
  const took = await Promise.all(sides.map(({ answers }) => Promise.all(answers)))
  for (const { agent } of sides) agent.destroy()
  return took
}

/** Seconds of a window: where the machine stands still for a moment, that moment's p99 says nothing of either side. */
const windowSeconds = 5

/** Of one side by the other, window by window; the median of them counts. */
const ratios = (
  ours: ReadonlyArray<number>,
  twins: ReadonlyArray<number>,
  at: number,
  perSecond: number
): ReadonlyArray<number> => {
  const windows = Math.max(1, Math.floor(ours.length / (windowSeconds * perSecond)))
  const size = Math.ceil(ours.length / windows)
  const of = (side: ReadonlyArray<number>, n: number) => quantile(side.slice(n * size, (n + 1) * size), at)
  return Array.from({ length: windows }, (_, n) => of(ours, n) / of(twins, n))
}

/** Milliseconds of one side and of its twin over all of the time, and one by the other. */
export const compared = (ours: ReadonlyArray<number>, twins: ReadonlyArray<number>, perSecond: number) => ({
  p50: quantile(ours, 0.5),
  p99: quantile(ours, 0.99),
  offP50: quantile(twins, 0.5),
  offP99: quantile(twins, 0.99),
  p50Ratios: ratios(ours, twins, 0.5, perSecond),
  p99Ratios: ratios(ours, twins, 0.99, perSecond)
})
