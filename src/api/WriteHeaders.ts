/** What a caller may say of a write beside what is to be written. */
import { Schema } from "effect"
import { waitMaxSeconds } from "./Prefer.ts"

const IdempotencyKey = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,200}$/, {
  message: "must be 1 to 200 visible ASCII characters"
}))
const IfMatch = Schema.String.check(Schema.isPattern(/^(\*|(W\/)?"\d{1,10}")$/, {
  message: "must be an ETag such as \"3\", or *"
}))
const Prefer = Schema.String.check(Schema.isMaxLength(200)).annotate({
  description:
    `wait=<seconds>: the answer comes when searches find the write, after ${waitMaxSeconds} s at the latest; `
    + "a larger number counts as that many, wait=0 looks once. Anything else is passed over."
})

/** Of a write that changes no entity, so that there is nothing to wait for. */
export const steerHeaders = { "idempotency-key": Schema.optionalKey(IdempotencyKey) }
export const writeHeaders = { ...steerHeaders, prefer: Schema.optionalKey(Prefer) }
export const changeHeaders = { ...writeHeaders, "if-match": Schema.optionalKey(IfMatch) }
