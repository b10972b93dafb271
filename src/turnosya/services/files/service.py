"""Files: uploads and their variants. It lives and says so; a path that is not built answers 404."""

from turnosya.runtime.service import Service
from turnosya.services.files.context import Files

service = Service(name="files", open=Files.open)
