// Embeds a query: in this browser by ONNX Runtime Web or, where that is missing, on the server.

const ROUNDS = 5  // whose median is robust against whatever else the machine does
const ROUND = 6   // ms: a browser's clock is too coarse for one run of a small network
const sessions = new Map()
let runtime = null

/** Load ONNX Runtime Web; return whether it works here. */
export async function startRuntime() {
  try {
    runtime = await import('/runtime/ort.wasm.min.mjs')
    runtime.env.wasm.wasmPaths = '/runtime/'
    runtime.env.wasm.numThreads = 1
  } catch {
    runtime = null
  }
  return runtime !== null
}

/**
 * Return the embedding of an image, the milliseconds that it took, and the bytes that went out for
 * the search.
 */
export async function embed(key, pixels, shape) {
  return runtime ? embedHere(key, pixels, shape) : embedOnServer(key, pixels)
}

async function embedHere(key, pixels, shape) {
  if (!sessions.has(key)) sessions.set(key, load(key))
  const session = await sessions.get(key)
  const images = new runtime.Tensor('uint8', pixels, [1, ...shape])
  const { embeddings } = await session.run({ images })
  const milliseconds = await time(() => session.run({ images }))
  return { vector: embeddings.data, milliseconds, sent: embeddings.data.byteLength }
}

/** Return the milliseconds of a run: the median of the rounds' means. */
async function time(run) {
  const means = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now()
    let runs = 0
    do {
      await run()
      runs += 1
    } while (performance.now() - start < ROUND)
    means.push((performance.now() - start) / runs)
  }
  return means.sort((a, b) => a - b)[(ROUNDS - 1) / 2]
}

async function load(key) {
  const model = await request(`/models/${key}.onnx`)
  return runtime.InferenceSession.create(new Uint8Array(await model.arrayBuffer()))
}

/** Return the same, computed on the server, which is sent the pixels. */
export async function embedOnServer(key, pixels) {
  const response = await request(`/embeddings?model=${key}`, pixels)
  const vector = new Float32Array(await response.arrayBuffer())
  return { vector, milliseconds: workTime(response), sent: pixels.byteLength }
}

/** Return the response of the server, or throw the sentence with which it refuses. */
export async function request(path, body) {
  const headers = { 'Content-Type': 'application/octet-stream' }
  let response
  try {
    response = await fetch(path, body === undefined ? {} : { method: 'POST', body, headers })
  } catch {
    throw new Error('The server must be running. Found no answer; start `sfsc demo` again.')
  }
  if (response.ok) return response
  const refusal = await response.json().catch(() => ({}))
  throw new Error(refusal.error ?? `The server must answer. Found status ${response.status}.`)
}

/** Return the milliseconds that the server worked on a response. */
export function workTime(response) {
  return Number(response.headers.get('Server-Timing').split('dur=')[1])
}
