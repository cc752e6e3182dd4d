// The official SDK for Node drives the server. In goes JSON, the base URLs of servers by what they are for; out comes
// JSON, what each part below found, under the part's name. What is right is said in test_openai_node.py alone.

import OpenAI from 'openai';

const servers = JSON.parse(process.argv[2]);
const atOnce = { apiKey: 'none', maxRetries: 0, timeout: 20_000 };
const client = new OpenAI({ ...atOnce, baseURL: servers.echo });
const { completions } = client.chat;

const user = (content) => ({ model: 'gpt-4o', messages: [{ role: 'user', content }] });
const asked = user('Rain in Oslo?');
const striking = (fault) => ({ headers: { 'X-Chatstream-Fault': fault } });
const textOf = (chunks) => chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? '')).join('');
const ids = (all) => all.map((one) => one.id);

const weather = {
  name: 'getWeather',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

// What a promise was rejected with, in the words of the SDK's errors; null if it was not.
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    const { status, code, param, type, message, requestID } = error;
    return { kind: error.constructor.name, status, code, param, type, message, requestID };
  }
  return null;
}

// A stream up to where it breaks: the text until then, and the error.
async function broken(fault, options = {}) {
  const read = [];
  const error = await failure(
    (async () => {
      const stream = await completions.create({ ...asked, stream: true }, { ...striking(fault), ...options });
      for await (const chunk of stream) read.push(chunk);
    })(),
  );
  return { text: textOf(read), error };
}

const parts = {
  async create() {
    const { data, response, request_id } = await completions.create(asked).withResponse();
    return { data, request_id, header: response.headers.get('x-request-id'), own: data._request_id };
  },

  async stream() {
    const chunks = await all(await completions.create({ ...asked, stream: true, stream_options: { include_usage: true } }));
    return { text: textOf(chunks), last: chunks.at(-1), ids: [...new Set(ids(chunks))] };
  },

  async helper() {
    const seen = { content: [], done: [], chunks: 0, ends: 0 };
    const stream = completions.stream({ ...asked, logprobs: true, stream_options: { include_usage: true } });
    stream.on('content.delta', ({ delta }) => seen.content.push(delta));
    stream.on('content.done', ({ content }) => seen.done.push(content));
    stream.on('chunk', () => (seen.chunks += 1));
    stream.on('end', () => (seen.ends += 1));
    const final = await stream.finalChatCompletion();
    return { ...seen, content: seen.content.join(''), final, usage: await stream.totalUsage() };
  },

  async helperWithTool() {
    const done = [];
    const stream = completions.stream({ ...user('call getWeather'), tools: [{ type: 'function', function: weather }] });
    stream.on('tool_calls.function.arguments.done', (event) => done.push(event));
    return { done, call: await stream.finalFunctionToolCall(), final: await stream.finalChatCompletion() };
  },

  async runTools() {
    const results = {};
    for (const stream of [false, true]) {
      const called = [];
      const tool = { ...weather, parse: JSON.parse, function: ({ city }) => called.push(city) && `12 degrees in ${city}` };
      const runner = completions.runTools({ ...user('call getWeather'), stream, tools: [{ type: 'function', function: tool }] });
      const text = await runner.finalContent();
      results[stream ? 'streamed' : 'whole'] = { called, text, roles: runner.messages.map((message) => message.role) };
    }
    return results;
  },

  async stored() {
    const made = [];
    for (let number = 0; number < 5; number += 1) {
      const metadata = { parity: String(number % 2), 'a key': `${number} & more` };
      made.push(await completions.create({ ...asked, model: `m${number % 2}`, store: true, metadata }));
    }
    const [first, second] = made;
    const found = {
      made: ids(made),
      listed: ids(await all(completions.list({ limit: 2 }))),
      backwards: ids(await all(completions.list({ limit: 2, order: 'desc' }))),
      ofModel: ids(await all(completions.list({ limit: 2, model: 'm1' }))),
      even: ids(await all(completions.list({ limit: 2, metadata: { parity: '0' } }))),
      oddlyNamed: ids(await all(completions.list({ metadata: { 'a key': '3 & more', parity: '1' } }))),
      after: ids((await completions.list({ after: first.id, limit: 1 })).data),
      retrieved: await completions.retrieve(first.id),
      first,
      messages: await all(completions.messages.list(first.id, { limit: 1 })),
      updated: (await completions.update(second.id, { metadata: { seen: 'yes' } })).metadata,
      again: (await completions.retrieve(second.id)).metadata,
      deleted: await completions.delete(first.id),
      gone: await failure(completions.retrieve(first.id)),
    };
    for await (const one of completions.list({ limit: 1 })) await completions.delete(one.id);
    return { ...found, left: ids(await all(completions.list())) };
  },

  async models() {
    return { listed: ids(await all(client.models.list())), one: (await client.models.retrieve('echo')).owned_by };
  },

  async errors() {
    const format = { type: 'json_schema', json_schema: { name: 'none', schema: { type: 'object', properties: { no: false }, required: ['no'] } } };
    return {
      role: await failure(completions.create({ model: 'm', messages: [{ role: 'clown', content: 'x' }] })),
      limit: await failure(completions.list({ limit: 101 })),
      key: await failure(new OpenAI({ ...atOnce, baseURL: servers.keyed }).chat.completions.create(asked)),
      completion: await failure(completions.retrieve('chatcmpl-none')),
      schema: await failure(completions.create({ ...asked, response_format: format })),
      busy: await failure(completions.create(asked, striking('rate_limit:30'))),
      server: await failure(completions.create({ ...asked, stream: true }, striking('status:503'))),
    };
  },

  async retries() {
    const patient = (baseURL) => new OpenAI({ apiKey: 'none', baseURL }).chat.completions;
    const failing = await patient(servers.failing).create(asked);
    const began = performance.now();
    const limited = await all(await patient(servers.limited).create({ ...asked, stream: true }));
    return { failing: failing.choices[0].message.content, limited: textOf(limited), seconds: (performance.now() - began) / 1000 };
  },

  async faults() {
    return {
      late: await failure(completions.create(asked, { ...striking('delay_first:5'), timeout: 200 })),
      reset: await broken('reset:3'),
      disconnect: await broken('disconnect:3'),
      malformed: await broken('malformed:3'),
      errorEvent: await broken('error_event:3'),
      split: await broken('split:7'),
      noDone: await broken('no_done'),
    };
  },

  async abort() {
    const stream = completions.stream(asked, striking('stall:5,after=3'));
    let text = '';
    stream.on('content', (delta) => {
      text += delta;
      if (text === 'You said') stream.abort();
    });
    return { ...(await failure(stream.done())), text, aborted: stream.aborted };
  },

  async tape() {
    const recorded = new OpenAI({ ...atOnce, baseURL: servers.tape }).chat.completions;
    const streamed = textOf(await all(await recorded.create({ ...asked, stream: true })));
    return { streamed, whole: (await recorded.create(asked)).choices[0].message.content };
  },

  async environment() {
    process.env.OPENAI_BASE_URL = servers.echo;
    const found = new OpenAI({ ...atOnce, baseURL: undefined });
    return { baseURL: found.baseURL, text: (await found.chat.completions.create(asked)).choices[0].message.content };
  },
};

const found = {};
for (const [name, part] of Object.entries(parts)) {
  try {
    found[name] = await part();
  } catch (error) {
    found[name] = { threw: error.stack };
  }
}
// Connections that are kept alive would keep the process.
process.stdout.write(JSON.stringify(found), () => process.exit(0));
