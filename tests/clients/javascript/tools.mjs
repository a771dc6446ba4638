// Runs a loop of tool calls with OpenAI's client, each answer streamed. Prints the names of the called tools and the last
// answer as a line of JSON.
import OpenAI from "openai";

const { results, body, ...options } = JSON.parse(process.argv[2]);
const client = new OpenAI(options);
const messages = [...body.messages];
const called = [];

for (;;) {
  const stream = client.chat.completions.stream({ ...body, messages });
  const { message } = (await stream.finalChatCompletion()).choices[0];
  if (!message.tool_calls?.length) {
    process.stdout.write(JSON.stringify({ called, answer: message.content }) + "\n");
    break;
  }
  messages.push(message);
  for (const { id, function: { name } } of message.tool_calls) {
    called.push(name);
    messages.push({ role: "tool", tool_call_id: id, content: results[name] });
  }
}
