"""A client of the Chat Completions API, sync and async.

    from chatstream import ChatClient

    client = ChatClient()
    completion = client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "Hello"}])

The rooms, from the outside in: `clients` · `completions`, `async_completions` and `pages`, the operations · `asking`
and `rounds`, the operations as calls · `requested` and `chunk_stream`, calls as streams · `sending` and
`async_sending`, calls sent · `settling`, what has begun, ended · `answers`, bodies read whole · `attempts`, `retries`,
`failures`, what is decided on the way · `network` and `patience`, how long a read waits · `call`, `bodies`,
`settings`, `headers`, `address`, `timeout`, what is asked, and how.
"""

from chatstream.client.asking import CreateOptions, FormatLike, ParseOptions, RunOptions, StreamOptions, ToolLike
from chatstream.client.call import RequestOptions
from chatstream.client.chunk_stream import AsyncChunkStream, ChunkStream
from chatstream.client.clients import AsyncChatClient, ChatClient, ClientOptions
from chatstream.client.pages import AsyncCursorPage, AsyncPages, SyncCursorPage
from chatstream.client.timeout import Timeout

__all__ = [
    "AsyncChatClient",
    "AsyncChunkStream",
    "AsyncCursorPage",
    "AsyncPages",
    "ChatClient",
    "ChunkStream",
    "ClientOptions",
    "CreateOptions",
    "FormatLike",
    "ParseOptions",
    "RequestOptions",
    "RunOptions",
    "StreamOptions",
    "SyncCursorPage",
    "Timeout",
    "ToolLike",
]
