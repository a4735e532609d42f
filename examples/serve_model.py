"""Serves a small language model on this machine, with OpenAI's chat completions, for trying out.

It answers greedily, one request at a time, tells log-probabilities, and keeps to a JSON schema of
one "answer" among a few. What a request begins with is not read again where one of the last
requests began alike, so questions about one user cost little more than their last lines. Real
servers (llama.cpp, vLLM, Ollama) do all that faster.

    python examples/serve_model.py --model HuggingFaceTB/SmolLM2-135M-Instruct --port 8000

The model is a name of the hub, a folder, or a .gguf file (extra "gguf"). Stop it with Ctrl-C.
"""

import argparse
import copy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, PreTrainedModel

from llmrec_env.common.errors import LLMRecError
from llmrec_env.language.lm.gguf_files import converted, gguf_file
from llmrec_env.language.lm.source import check_source, loading

KEPT = 4
"""Requests whose keys and values are kept, at most."""


class Model:
    """A causal language model that continues chats greedily."""

    def __init__(self, name: str, dtype: str) -> None:
        with loading(name, "causal language model"):
            file = gguf_file(name)
            source = str(converted(file)) if file else name
            own = check_source(source)
            self.tokenizer = AutoTokenizer.from_pretrained(source, **own)
            kind = getattr(torch, dtype)
            self.model = AutoModelForCausalLM.from_pretrained(source, dtype=kind, **own)
        self.model.eval()
        read_out_in_float32(self.model)
        self.kept: list[tuple[list[int], DynamicCache]] = []

    def tokens_of(self, messages: list[dict[str, str]]) -> list[int]:
        """A chat as tokens, by the tokenizer's own template where it has one."""
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
            return self.tokenizer(text, add_special_tokens=False)["input_ids"]
        text = "\n\n".join(f"{one['role']}: {one['content']}" for one in messages)
        return self.tokenizer(f"{text}\n\nassistant:")["input_ids"]

    @torch.inference_mode()
    def answer(
        self, messages: list[dict[str, str]], length: int, alternatives: int, allowed: list[str]
    ) -> dict[str, Any]:
        """The answer to a chat.

        Args:
            messages: the chat.
            length: tokens of the answer, at most.
            alternatives: tokens whose log-probabilities are told in each place; 0: none are.
            allowed: the answers that there are; empty where any will do.

        Returns:
            "choices" and "usage" of a chat completion.
        """
        tokens = self.tokens_of(messages)
        self.check(len(tokens), length)
        cache, known = self.begin(tokens)
        row = self.read(tokens[known:], cache)
        if allowed:
            written, told = self.best_of(allowed, row, cache), []
        else:
            written, told = self.written(row, cache, length, alternatives)
        self.kept = [*self.kept[1 - KEPT :], (tokens, cache)]
        text = self.tokenizer.decode(written, skip_special_tokens=True)
        if allowed:
            text = json.dumps({"answer": text.strip()})
        message = {"role": "assistant", "content": text}
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": message}
        if told:
            choice["logprobs"] = {"content": told}
        usage = {
            "prompt_tokens": len(tokens),
            "completion_tokens": len(written),
            "total_tokens": len(tokens) + len(written),
            "prompt_tokens_details": {"cached_tokens": known},
        }
        return {"choices": [choice], "usage": usage}

    def check(self, tokens: int, length: int) -> None:
        """Refuse what is longer than the model reads."""
        longest = getattr(self.model.config, "max_position_embeddings", tokens + length)
        if tokens + length > longest:
            raise ValueError(
                f"the model reads {longest} tokens at most; the messages have {tokens}, and "
                f"{length} are to be written"
            )

    def written(
        self, row: torch.Tensor, cache: DynamicCache, length: int, alternatives: int
    ) -> tuple[list[int], list[dict[str, Any]]]:
        """The likeliest tokens one after the other, and what is told of each."""
        tokens: list[int] = []
        told = []
        while len(tokens) < length:
            if tokens:
                row = self.read(tokens[-1:], cache)
            tokens.append(int(row.argmax()))
            told += [self.told(row, alternatives)] if alternatives else []
            if tokens[-1] == self.tokenizer.eos_token_id:
                break
        return tokens, told

    def best_of(self, answers: list[str], row: torch.Tensor, cache: DynamicCache) -> list[int]:
        """The tokens of the likeliest of some answers."""
        scores = {}
        for answer in answers:
            tokens = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
            score, now = float(row[tokens[0]]), row
            for place in range(1, len(tokens)):
                now = self.read(tokens[place - 1 : place], cache)
                score += float(now[tokens[place]])
            if len(tokens) > 1:
                cache.crop(1 - len(tokens))
            scores[score] = tokens
        return scores[max(scores)]

    def begin(self, tokens: list[int]) -> tuple[DynamicCache, int]:
        """Keys and values of the longest beginning that a kept request shares, and its length."""
        shares = [common(tokens, old) for old, _ in self.kept]
        if not shares or max(shares) == 0:
            return DynamicCache(config=self.model.config), 0
        best = shares.index(max(shares))
        known = min(shares[best], len(tokens) - 1)  # one token at least is read
        self.kept.append(self.kept.pop(best))
        cache = copy.deepcopy(self.kept[-1][1])  # its own end may be asked for again
        if surplus := cache.get_seq_length() - known:
            cache.crop(-surplus)
        return cache, known

    def read(self, tokens: list[int], cache: DynamicCache) -> torch.Tensor:
        """Log-probabilities of the token that comes next."""
        output = self.model(torch.tensor([tokens]), past_key_values=cache, logits_to_keep=1)
        return output.logits[0, -1].float().log_softmax(-1)

    def told(self, row: torch.Tensor, alternatives: int) -> dict[str, Any]:
        """A token's place in "logprobs": the likeliest one, and so many of the likeliest."""
        best, tokens = row.topk(min(alternatives, len(row)))
        texts = [self.tokenizer.decode([token]) for token in tokens.tolist()]
        ranked = [
            {"token": text, "logprob": value, "bytes": None}
            for text, value in zip(texts, best.tolist(), strict=True)
        ]
        return {**ranked[0], "top_logprobs": ranked}


def read_out_in_float32(model: PreTrainedModel) -> None:
    """Compute the last layer in float32, in which log-probabilities differ in more than 8 bits."""
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.data)  # no longer that of the words read
    head.float()
    head.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))


def common(one: list[int], other: list[int]) -> int:
    """How many tokens two lists have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


class Server(ThreadingHTTPServer):
    """Answers ``/v1/chat/completions``, one request at a time."""

    daemon_threads = True

    def __init__(self, model: Model, port: int, log_probabilities: bool) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.model, self.log_probabilities = model, log_probabilities
        self.turn = threading.Lock()

    def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """A chat completion."""
        told = request.get("logprobs") and self.log_probabilities
        alternatives = int(request.get("top_logprobs") or 1) if told else 0
        length = int(request.get("max_tokens") or 32)
        schema = (request.get("response_format") or {}).get("json_schema", {}).get("schema", {})
        allowed = schema.get("properties", {}).get("answer", {}).get("enum", [])
        with self.turn:
            answer = self.model.answer(request["messages"], length, alternatives, allowed)
        head = {"id": "1", "object": "chat.completion", "created": 0}
        return head | {"model": request.get("model", "")} | answer


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece

    def do_POST(self) -> None:
        """Answer a request, or say what is wrong with it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, answer = 200, self.server.complete(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            status, answer = 400, {"error": {"message": f"bad request: {error}"}}
        if self.path != "/v1/chat/completions":
            status, answer = 404, {"error": {"message": "only /v1/chat/completions is here"}}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""


def main(args: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    torch.set_num_threads(args.threads)
    try:
        model = Model(args.model, args.dtype)
    except LLMRecError as error:
        raise SystemExit(f"--model: {error}") from None
    server = Server(model, args.port, not args.no_logprobs)
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--model", required=True, default=argparse.SUPPRESS, help="hub name, folder, or .gguf file"
    )
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch")
    parser.add_argument(
        "--dtype",
        default="float32",
        choices=("float32", "bfloat16"),
        help="number format of the language model",
    )
    parser.add_argument("--no-logprobs", action="store_true", help="as servers that tell none")
    main(parser.parse_args())
