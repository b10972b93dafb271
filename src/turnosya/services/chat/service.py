"""Chat: conversations and their messages. It lives and says so; a path that is not built answers 404."""

from turnosya.runtime.service import Service
from turnosya.services.chat.context import Chat

service = Service(name="chat", open=Chat.open)
