// Sends a request of Chat Completions with OpenAI's client. Prints a line of JSON for each piece of the answer's text, and
// for an error.
import OpenAI from "openai";

const { body, ...options } = JSON.parse(process.argv[2]);
const print = (message) => process.stdout.write(JSON.stringify(message) + "\n");

try {
  const answer = await new OpenAI(options).chat.completions.create(body);
  if (!body.stream) {
    print({ text: answer.choices[0].message.content });
  } else {
    for await (const chunk of answer) {
      const text = chunk.choices[0]?.delta?.content;
      if (text) print({ text });
    }
  }
} catch (error) {
  print({ error: error.constructor.name, status: error.status ?? null, message: error.message });
}
