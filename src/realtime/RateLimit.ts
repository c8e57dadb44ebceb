/** How many messages a client may send: a bucket that fills again as time passes. No IO. */

export interface RateLimit {
  readonly perSecond: number
  readonly burst: number
}

export interface Bucket {
  readonly tokens: number
  readonly atMs: number
}

export const full = (limit: RateLimit, nowMs: number): Bucket => ({ tokens: limit.burst, atMs: nowMs })

/** The bucket after one message more, or `undefined` when there is no room for it. */
export const take = (limit: RateLimit, bucket: Bucket, nowMs: number): Bucket | undefined => {
  const refilled = bucket.tokens + Math.max(0, nowMs - bucket.atMs) * limit.perSecond / 1_000
  const tokens = Math.min(limit.burst, refilled) - 1
  return tokens < 0 ? undefined : { tokens, atMs: Math.max(nowMs, bucket.atMs) }
}
