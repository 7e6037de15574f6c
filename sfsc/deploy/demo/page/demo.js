// The page: choose a query and a width, see what the gallery answers.
import { embed, request, startRuntime, workTime } from './embedding.js'

const THUMBS = 24    // test queries to choose from at a time
const COMPARED = 8   // hits of each width in the comparison
const AGREED = 10    // hits whose agreement with the full model is counted
const FRACTIONS = { 0.125: '1/8', 0.25: '1/4', 0.375: '3/8', 0.5: '1/2', 0.625: '5/8', 0.75: '3/4', 0.875: '7/8' }

const page = id => document.getElementById(id)
const state = { about: null, isLocal: false, first: 0, turn: 0, query: null, key: null, answers: new Map() }

/** Return an element with properties and children. */
function element(name, properties = {}, ...children) {
  const { data = {}, ...others } = properties
  const made = Object.assign(document.createElement(name), others)
  Object.assign(made.dataset, data)
  made.append(...children)
  return made
}

const isFull = key => key === state.about.models.at(-1).key
const widthName = key => isFull(key) ? 'full' : FRACTIONS[key] ?? key
const modelName = key => isFull(key) ? 'the full model' : `width ${widthName(key)}`
const percent = share => `${(100 * share).toFixed(1)} %`

function duration(milliseconds) {
  return `${milliseconds.toFixed(milliseconds < 1 ? 2 : milliseconds < 10 ? 1 : 0)} ms`
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

async function start() {
  state.about = await (await request('/about')).json()
  state.isLocal = state.about.has_runtime && await startRuntime()
  const { about } = state
  document.documentElement.style.setProperty('--ratio', `${about.image_size[1]} / ${about.image_size[0]}`)
  document.body.classList.toggle('coarse', Math.max(...about.image_size) <= 64)
  page('about').textContent =
    `${about.gallery.toLocaleString('en')} images of ${about.dataset} were indexed by the full model of ` +
    `${about.method}. The query is embedded by a sub-model as small as you like` +
    `${state.isLocal ? ', in this browser' : ''}.`
  if (!state.isLocal) tellMissingRuntime()
  showWidths()
  showQueries()
  listen()
  await chooseTestQuery(0)
}

function tellMissingRuntime() {
  const reason = state.about.has_runtime ? 'did not start in this browser' : 'is not installed'
  page('notice').replaceChildren(
    `ONNX Runtime Web ${reason}, so the server embeds the query. `,
    ...(state.about.has_runtime ? [] : ['Install it with ', element('code', { textContent: 'npm ci --prefix demo' }), '.']),
  )
  page('notice').hidden = false
}

function showWidths() {
  const { models } = state.about
  state.key = models[Math.min(1, models.length - 1)].key
  page('widths').replaceChildren(...models.map(model => {
    const input = element('input', { type: 'radio', name: 'width', value: model.key, checked: model.key === state.key })
    input.addEventListener('change', () => { state.key = model.key; showAnswer() })
    return element('label', {}, input, element('b', { textContent: widthName(model.key) }),
      element('small', { textContent: size(model.bytes) }))
  }))
}

function showQueries() {
  const { queries } = state.about
  const places = []
  for (let place = state.first; place < queries; place += stride()) places.push(place)
  page('queries').replaceChildren(...places.map(place => {
    const input = element('input', { type: 'radio', name: 'query', value: place, checked: place === state.query?.place })
    input.addEventListener('change', () => run(() => chooseTestQuery(place)))
    input.setAttribute('aria-label', `Test query ${place}`)
    return element('label', {}, input, element('img', { src: `/pictures/query/${place}.png`, alt: '' }))
  }))
  page('more').hidden = stride() === 1
}

/** Return the step between test queries by which those that are shown are of many identities. */
function stride() {
  return Math.ceil(state.about.queries / THUMBS)
}

function listen() {
  page('more').addEventListener('click', () => {
    state.first = (state.first + 1) % stride()
    showQueries()
  })
  page('file').addEventListener('change', event => {
    const [file] = event.target.files
    if (file) run(() => choosePhotograph(file))
    event.target.value = ''
  })
  const drop = page('drop')
  for (const name of ['dragover', 'dragleave', 'drop']) {
    document.addEventListener(name, event => {
      event.preventDefault()
      drop.classList.toggle('over', name === 'dragover')
    })
  }
  document.addEventListener('drop', event => {
    const [file] = event.dataTransfer.files
    if (file) run(() => choosePhotograph(file))
  })
  page('ask').addEventListener('submit', event => event.preventDefault())
}

/** Do something that may fail; show the sentence that says why. */
async function run(action) {
  page('error').hidden = true
  try {
    await action()
  } catch (error) {
    page('error').textContent = error.message
    page('error').hidden = false
  }
}

async function chooseTestQuery(place) {
  await ask(request(`/pixels/query/${place}`), () => (
    { place, picture: `/pictures/query/${place}.png`, name: `Test query ${place}`, read: null }))
}

async function choosePhotograph(file) {
  await ask(request('/photographs', file), response => (
    { place: null, picture: URL.createObjectURL(file), name: file.name, read: workTime(response), bytes: file.size }))
}

/** Ask for what the pixels show, unless another query is chosen before they are here. */
async function ask(pixels, describe) {
  const turn = state.turn += 1
  const response = await pixels
  const query = { pixels: new Uint8Array(await response.arrayBuffer()) }
  if (turn === state.turn) await show(Object.assign(query, describe(response)))
}

/** Show the answers to a query: at the chosen width first, then at the others. */
async function show(query) {
  if (state.query?.place === null) URL.revokeObjectURL(state.query.picture)
  state.query = query
  state.answers = new Map()
  for (const input of document.querySelectorAll('[name=query]')) input.checked = Number(input.value) === query.place
  page('query').src = query.picture
  page('query').alt = query.name
  page('query').className = query.place === null ? 'photo' : ''
  const [height, width] = state.about.image_size
  page('caption').replaceChildren(element('b', { textContent: query.name }),
    `${query.place === null ? 'embedded as ' : ''}${width} × ${height} pixels`)
  const keys = state.about.models.map(model => model.key)
  for (const key of [state.key, ...keys.filter(key => key !== state.key)]) {
    const answer = await askAt(key, query)
    if (state.query !== query) return  // another query was chosen meanwhile
    state.answers.set(key, answer)
    showAnswer()
  }
  document.body.dataset.done = query.name
}

async function askAt(key, query) {
  const { image_size: [height, width], image_channels: channels } = state.about
  const embedded = await embed(key, query.pixels, [height, width, channels])
  const place = query.place === null ? '' : `?query=${query.place}`
  const response = await request(`/search${place}`, embedded.vector)
  return { ...embedded, searched: workTime(response), ...await response.json() }
}

function showAnswer() {
  const answer = state.answers.get(state.key)
  if (!answer) return
  showSteps(answer)
  page('verdict').textContent = verdict(answer)
  page('hits').replaceChildren(...answer.hits.map((hit, place) => card(hit, place + 1)))
  showComparison()
}

function showSteps(answer) {
  const { about, query, isLocal } = state
  const where = isLocal ? 'in this browser' : 'on the server'
  const what = isLocal ? `${about.embedding_dim} numbers` : 'the pixels, as the server embeds'
  const read = query.read === null
    ? ['–', 'a test image, as prepared']
    : [duration(query.read), `decoded and resized from ${size(query.bytes)}`]
  const steps = [
    ['Read', ...read],
    ['Embed', duration(answer.milliseconds), `by ${modelName(state.key)}, ${where}`],
    ['Send', size(answer.sent), what],
    ['Search', duration(answer.searched), `${about.gallery.toLocaleString('en')} vectors, exactly`],
  ]
  page('steps').replaceChildren(...steps.map(([name, value, note]) =>
    element('div', {}, element('dt', { textContent: name }), element('dd', { textContent: value }),
      element('dd', { className: 'quiet', textContent: note }))))
}

function verdict(answer) {
  const by = `Query by ${modelName(state.key)}, gallery by the full model. `
  if (state.query.place === null) return `${by}Who or what a photograph shows is unknown here, so no hit is marked.`
  if (answer.first === null) return `${by}No image of the gallery shows the query's identity.`
  return `${by}The first image of the query's identity has rank ${answer.first}.`
}

function card(hit, rank) {
  const label = `Rank ${rank}, identity ${hit.identity}, camera ${hit.camera}`
  const image = element('img', { src: `/pictures/gallery/${hit.image}.png`, alt: label, title: label, loading: 'lazy' })
  const line = element('span', { className: 'line' }, element('span', { className: 'rank', textContent: rank }),
    element('span', { className: 'score', textContent: hit.score.toFixed(3) }))
  const item = element('li', { className: hit.same ? 'hit same' : 'hit' }, image, line)
  if (hit.same) line.prepend(element('span', { className: 'tick', textContent: '✓', ariaLabel: 'same identity', role: 'img' }))
  return item
}

function showComparison() {
  const heads = ['Width', `First ${COMPARED} hits`, 'Embed', state.query.place === null ? 'As the full model' : 'First match', 'Test mAP']
  const header = element('div', { className: 'row head', role: 'row' },
    ...heads.map(text => element('span', { role: 'columnheader', textContent: text })))
  const rows = state.about.models.map(model => {
    const answer = state.answers.get(model.key)
    const cell = (text, name, className = '') =>
      element('span', { role: 'cell', className, textContent: text, data: { name } })
    const strip = element('span', { role: 'cell', className: 'strip' })
    strip.append(...(answer?.hits ?? []).slice(0, COMPARED).map(hit => element('img', {
      src: `/pictures/gallery/${hit.image}.png`, className: hit.same ? 'same' : '',
      alt: `Identity ${hit.identity}${hit.same ? ', the query’s' : ''}`,
    })))
    return element('div', { role: 'row', className: model.key === state.key ? 'row now' : 'row' },
      element('span', { role: 'rowheader', className: 'width', textContent: widthName(model.key) }),
      strip,
      cell(answer ? duration(answer.milliseconds) : '…', heads[2]),
      cell(answer ? success(answer) : '…', heads[3]),
      cell(percent(model.map), heads[4]))
  })
  page('compare').replaceChildren(header, ...rows)
}

/** Return the rank of the first match or, for a photograph, the agreement with the full model. */
function success(answer) {
  if (state.query.place !== null) return answer.first === null ? 'none' : `rank ${answer.first}`
  const full = state.answers.get(state.about.models.at(-1).key)
  if (!full) return '…'
  const known = new Set(full.hits.slice(0, AGREED).map(hit => hit.image))
  const count = answer.hits.slice(0, AGREED).filter(hit => known.has(hit.image)).length
  return `${count} of ${known.size}`
}

await run(start)
