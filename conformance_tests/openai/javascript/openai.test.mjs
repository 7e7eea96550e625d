// OpenAI's JavaScript SDK against the server named by OPENAI_BASE_URL. Run by test_javascript.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const model = "gpt-4o-mini";
const messages = [{ role: "user", content: "Write the numbers from 1 to 50, separated by commas." }];
const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: {
        type: "object",
        properties: {
          city: { type: "string", maxLength: 12 },
          unit: { type: "string", enum: ["celsius", "fahrenheit"] },
        },
        required: ["city", "unit"],
        additionalProperties: false,
      },
    },
  },
];

test("models: list, and one whose id has a slash", async () => {
  const ids = [];
  for await (const each of client.models.list()) ids.push(each.id);
  assert.ok(ids.includes("smollm2-135m-instruct"));
  const id = "HuggingFaceTB/SmolLM2-135M-Instruct";
  assert.equal((await client.models.retrieve(id)).id, id);
});

test("chat: a whole answer", async () => {
  const answer = await client.chat.completions.create({ model, messages, max_tokens: 5 });
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.choices[0].message.role, "assistant");
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.choices[0].finish_reason, "length");
  assert.equal(answer.usage.completion_tokens, 5);
  assert.match(answer._request_id, /^req_/);
});

test("chat: streamed, with usage last", async () => {
  const stream = await client.chat.completions.create({
    model,
    messages,
    max_tokens: 5,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.completion_tokens, 5);
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.ok(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""));
  assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
});

test("chat: the stream helper's accumulator", async () => {
  const stream = client.chat.completions.stream({ model, messages, stop: "5", temperature: 0 });
  let said = "";
  stream.on("content", (delta) => (said += delta));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, said);
  assert.equal(final.choices[0].finish_reason, "stop");
});

test("chat: leaving a stream", async () => {
  const stream = await client.chat.completions.create({ model, messages, stream: true });
  for await (const chunk of stream) {
    assert.equal(chunk.choices[0].delta.role, "assistant");
    break;
  }
  assert.ok(stream.controller.signal.aborted);
});

test("chat: a tool that has to be called", async () => {
  const answer = await client.chat.completions.create({
    model,
    messages: [{ role: "user", content: "What is the weather in Paris?" }],
    tools,
    tool_choice: "required",
    max_tokens: 100,
  });
  const [call] = answer.choices[0].message.tool_calls;
  assert.equal(call.function.name, "weather");
  const given = JSON.parse(call.function.arguments);
  assert.deepEqual(Object.keys(given).sort(), ["city", "unit"]);
  assert.ok(["celsius", "fahrenheit"].includes(given.unit));
  assert.equal(answer.choices[0].finish_reason, "tool_calls");
});

test("chat: a tool call streamed into the accumulator", async () => {
  const stream = client.chat.completions.stream({
    model,
    messages: [{ role: "user", content: "What is the weather in Paris?" }],
    tools,
    tool_choice: { type: "function", function: { name: "weather" } },
    max_tokens: 100,
  });
  const final = await stream.finalChatCompletion();
  const [call] = final.choices[0].message.tool_calls;
  assert.equal(typeof JSON.parse(call.function.arguments).city, "string");
});

test("chat: json_schema", async () => {
  const answer = await client.chat.completions.parse({
    model,
    messages: [{ role: "user", content: "Ann is 34. Describe her as JSON." }],
    response_format: {
      type: "json_schema",
      json_schema: {
        name: "person",
        strict: true,
        schema: {
          type: "object",
          properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer" } },
          required: ["name", "age"],
          additionalProperties: false,
        },
      },
    },
    max_tokens: 200,
  });
  const person = answer.choices[0].message.parsed;
  assert.equal(typeof person.name, "string");
  assert.ok(Number.isInteger(person.age));
});

test("embeddings: base64, which the SDK asks for, and numbers are the same", async () => {
  const request = { model: "text-embedding-3-small", input: ["hello", "world"] };
  const packed = await client.embeddings.create(request);
  const plain = await client.embeddings.create({ ...request, encoding_format: "float" });
  assert.deepEqual(packed.data.map((each) => each.index), [0, 1]);
  assert.equal(packed.data[0].embedding.length, 384);
  packed.data[0].embedding.forEach((value, n) =>
    assert.ok(Math.abs(value - plain.data[0].embedding[n]) < 1e-6),
  );
});

test("errors: typed, with code, param and request id", async () => {
  await assert.rejects(client.chat.completions.create({ model: "gpt-9", messages }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.match(error.message, /The model `gpt-9` does not exist/);
    assert.match(error.requestID, /^req_/);
    return true;
  });
  await assert.rejects(client.chat.completions.create({ model, messages: [] }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "messages");
    return true;
  });
});
