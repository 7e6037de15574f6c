// Embeds a query: in this browser by ONNX Runtime Web or, where that is missing, on the server.

const LONG_ENOUGH = 30  // ms: a browser's clock is too coarse for one run of a small network
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
  let { embeddings } = await session.run({ images })  // the first run reserves memory
  const start = performance.now()
  let runs = 0
  while (runs === 0 || (performance.now() - start < LONG_ENOUGH && runs < 100)) {
    ({ embeddings } = await session.run({ images }))
    runs += 1
  }
  const milliseconds = (performance.now() - start) / runs
  return { vector: embeddings.data, milliseconds, sent: embeddings.data.byteLength }
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
