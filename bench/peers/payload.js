/** What a peer's job carries: 200 bytes of JSON, as an event of a small shop would. */
export const payload = (/** @type {number} */ n) => ({
  n,
  type: "OrderPlaced",
  orderId: `ord_${String(n).padStart(12, "0")}`,
  customer: "cus_8f3a2b19",
  total: 12_345,
  currency: "EUR",
  region: "eu1",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
})
