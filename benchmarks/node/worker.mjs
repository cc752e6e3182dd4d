// openai-node's stream helper in a process of its own. It takes orders and answers as benchmarks/worker.py does, and
// says there what they are; contestants/openai_node.py says what is timed.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const FRAME = 4; // bytes of the length before each read, see framing.py

let OpenAI;
let makeParseableResponseFormat;
let client;
let kind;
let reads;

function loadReads(path) {
  const data = readFileSync(path);
  const found = [];
  for (let start = 0; start < data.length; ) {
    const length = data.readUInt32LE(start);
    start += FRAME;
    // A copy of its own: the bytes of a read do not share one large buffer on a socket either.
    found.push(new Uint8Array(data.subarray(start, start + length)));
    start += length;
  }
  return found;
}

// All reads lie ready: the cheapest source there is.
async function answer() {
  const body = new ReadableStream({
    start(controller) {
      for (const data of reads) controller.enqueue(data);
      controller.close();
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

function request() {
  const params = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
  if (kind === 'structured') {
    // What its helpers for schema libraries do, with the cheapest of parsers.
    const schema = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: {} } };
    params.response_format = makeParseableResponseFormat(schema, JSON.parse);
  }
  return params;
}

const QUIET_EVENTS = [
  'content.done',
  'refusal.delta',
  'refusal.done',
  'tool_calls.function.arguments.delta',
  'tool_calls.function.arguments.done',
  'logprobs.content.delta',
  'logprobs.content.done',
  'logprobs.refusal.delta',
  'logprobs.refusal.done',
];

async function run() {
  const outcome = { kept: [], values: 0, lastValue: undefined };
  const stream = client.chat.completions.stream(request());
  stream.on('chunk', (chunk, snapshot) => {
    if (kind.startsWith('kept')) outcome.kept.push([chunk, snapshot]);
  });
  stream.on('content.delta', (event) => {
    if (kind === 'structured' && event.parsed != null) {
      outcome.values += 1;
      outcome.lastValue = event.parsed;
    }
  });
  for (const name of QUIET_EVENTS) stream.on(name, () => {});
  outcome.completion = await stream.finalChatCompletion();
  return outcome;
}

function describeText(text) {
  if (!text) return null;
  const data = Buffer.from(text, 'utf8');
  return { bytes: data.length, sha256: createHash('sha256').update(data).digest('hex').slice(0, 16) };
}

function describeLogprobs(tokens) {
  let alternatives = 0;
  let millionths = 0;
  for (const token of tokens) {
    millionths += Math.round(token.logprob * 1e6);
    for (const other of token.top_logprobs) {
      alternatives += 1;
      millionths += Math.round(other.logprob * 1e6);
    }
  }
  return tokens.length ? { tokens: tokens.length, alternatives, millionths } : null;
}

function describeChoice(choice) {
  return {
    index: choice.index,
    content: describeText(choice.message.content),
    reasoning: describeText(choice.message.reasoning_content),
    tool_calls: (choice.message.tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function.name,
      arguments: describeText(call.function.arguments),
    })),
    logprobs: describeLogprobs(choice.logprobs?.content ?? []),
    finish_reason: choice.finish_reason,
  };
}

function digest({ completion, kept, values, lastValue }) {
  const found = {
    choices: [...completion.choices].sort((one, other) => one.index - other.index).map(describeChoice),
    total_tokens: completion.usage?.total_tokens ?? null,
  };
  if (kind === 'structured') found.values = { read: values, last: describeText(JSON.stringify(lastValue)) };
  if (kind.startsWith('kept')) found.kept = kept.length;
  return found;
}

async function time() {
  globalThis.gc?.();
  const started = process.hrtime.bigint();
  const outcome = await run();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  return { seconds, result: digest(outcome) };
}

async function obey(order) {
  if (order.prepare) {
    kind = order.prepare.kind;
    reads = loadReads(order.prepare.reads);
    return { prepared: null };
  }
  if (order.memory) throw new Error('memory is measured in Python only');
  return time();
}

function reply(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

async function open() {
  ({ default: OpenAI } = await import('openai'));
  ({ makeParseableResponseFormat } = await import('openai/lib/parser'));
  const { VERSION } = await import('openai/version');
  client = new OpenAI({ apiKey: 'none', baseURL: 'http://memory', fetch: answer });
  return VERSION;
}

async function main() {
  try {
    reply({ ready: await open() });
  } catch (error) {
    reply({ missing: `openai does not load: ${error.message}` });
    return;
  }
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      reply(await obey(JSON.parse(line)));
    } catch (error) {
      console.error(error);
      reply({ failed: `${error.name}: ${error.message}`.slice(0, 300) });
    }
  }
}

await main();
