/** A way to the database that can be cut or can go silent, while everybody else's way stays as it is. */
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** `heard` is made for each connection, and given what its client sends. */
export const tcpProxy = async (databaseUrl: string, heard: () => (chunk: Buffer) => void = () => () => {}) => {
  const target = new URL(databaseUrl)
  const open = new Set<Socket>()
  let way: "open" | "silent" | "cut" = "open"

  const server = createServer((socket) => {
    open.add(socket)
    socket.on("error", () => {}).on("close", () => open.delete(socket))
    if (way === "cut") {
      socket.destroy()
      return
    }
    const beyond = connect(Number(target.port), target.hostname)
    open.add(beyond)
    beyond.on("error", () => {}).on("close", () => {
      open.delete(beyond)
      socket.destroy()
    })
    socket.on("close", () => beyond.destroy())
    const hear = heard()
    socket.on("data", (chunk) => {
      hear(chunk)
      if (way === "open") beyond.write(chunk)
    })
    beyond.on("data", (chunk) => way === "open" && socket.write(chunk))
  }).listen(0, "127.0.0.1")
  await once(server, "listening")

  const closeAll = () => open.forEach((socket) => socket.destroy())
  const url = new URL(databaseUrl)
  url.port = String((server.address() as AddressInfo).port)

  return {
    url: url.href,
    /** Nothing comes through, and nobody is told. */
    silence: () => {
      way = "silent"
    },
    /** Every connection ends, and no new one begins. */
    cut: () => {
      way = "cut"
      closeAll()
    },
    /** What went silent has lost bytes, so it ends; from now on everything comes through. */
    restore: () => {
      if (way === "silent") closeAll()
      way = "open"
    },
    stop: async () => {
      closeAll()
      server.close()
      await once(server, "close")
    }
  }
}
