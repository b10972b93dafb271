"""Pictures of a business: profile image, portrait, gallery."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import AfterValidator, Field

from turnosya.contracts.files import FileNotUsable, path_of
from turnosya.runtime.field_errors import wrong_field
from turnosya.runtime.fields import Closed, Instant, Resource
from turnosya.runtime.http import MaybeSignedIn, OnceOnly, SignedIn, json_of, kept_response, router
from turnosya.runtime.messages import Conflict, Forbidden
from turnosya.runtime.pages import Listed, Page, Paged, bad_cursor
from turnosya.runtime.problems import refuses
from turnosya.services.business import pictures, values
from turnosya.services.business.pictures_state import MAX_GALLERY, Picture
from turnosya.services.business.routes.forms import Here

routes = router("/v1/businesses/{business_id}", tags=["businesses"])

Caption = Annotated[str, Field(max_length=200), AfterValidator(values.one_line)]
_VARIANTS = ("thumb", "medium")


class ChosenFile(Closed):
    """An upload of the owner's with the purpose `business_image`."""

    file_id: UUID


class NewPicture(Closed):
    """The same, with what stands under it in the gallery."""

    file_id: UUID
    caption: Caption | None = None


class CaptionChange(Closed):
    """What stands under a picture; null takes it off."""

    caption: Caption | None


class Order(Closed):
    """The ids of all pictures of the gallery, as they are to stand."""

    order: Annotated[list[UUID], Field(max_length=MAX_GALLERY)]


class ImageShown(Resource):
    """A picture; `url` and `variants` are for everybody."""

    id: UUID
    file_id: UUID
    url: str
    width: int | None
    height: int | None
    variants: dict[str, str]
    created_at: Instant


class GalleryPictureShown(ImageShown):
    """A picture of the gallery."""

    caption: str | None


@routes.put("/profile-image", responses=refuses(Forbidden, FileNotUsable))
async def show_profile_image(here: Here, business_id: UUID, body: ChosenFile, caller: SignedIn) -> ImageShown:
    """Choose the picture beside the name (owner)."""
    return shown(
        await pictures.show(here, business_id, caller.user_id, "profile_image", file_id=body.file_id)
    )


@routes.delete("/profile-image", status_code=204, response_class=Response, responses=refuses(Forbidden))
async def hide_profile_image(here: Here, business_id: UUID, caller: SignedIn) -> Response:
    """Take the picture beside the name off (owner)."""
    await pictures.hide(here, business_id, caller.user_id, "profile_image")
    return Response(status_code=204)


@routes.put("/portrait-image", responses=refuses(Forbidden, FileNotUsable))
async def show_portrait_image(
    here: Here, business_id: UUID, body: ChosenFile, caller: SignedIn
) -> ImageShown:
    """Choose the picture across the top (owner)."""
    return shown(
        await pictures.show(here, business_id, caller.user_id, "portrait_image", file_id=body.file_id)
    )


@routes.delete("/portrait-image", status_code=204, response_class=Response, responses=refuses(Forbidden))
async def hide_portrait_image(here: Here, business_id: UUID, caller: SignedIn) -> Response:
    """Take the picture across the top off (owner)."""
    await pictures.hide(here, business_id, caller.user_id, "portrait_image")
    return Response(status_code=204)


@routes.post(
    "/gallery",
    status_code=201,
    response_model=GalleryPictureShown,
    responses=refuses(Forbidden, Conflict, FileNotUsable),
)
async def add(
    here: Here, *, business_id: UUID, body: NewPicture, caller: SignedIn, once: OnceOnly
) -> Response:
    """Add a picture at the end of the gallery (owner), which has 30 at most and each once."""
    kept = await pictures.add(
        here, business_id, caller.user_id, body.file_id, caption=body.caption, once=once, shown=_json
    )
    return kept_response(kept)


@routes.get("/gallery")
async def listed(
    here: Here, business_id: UUID, page: Paged, caller: MaybeSignedIn
) -> Listed[GalleryPictureShown]:
    """The gallery in its order."""
    found = await pictures.listed(here, business_id, caller, after=_after(page), limit=page.read)
    places = {one.id: one.position for one in found}
    return page.of([_in_gallery(one) for one in found], sort_values=lambda one: [places[one.id], one.id])


@routes.put("/gallery", responses=refuses(Forbidden))
async def put_in_order(
    here: Here, business_id: UUID, body: Order, caller: SignedIn
) -> Listed[GalleryPictureShown]:
    """Put the gallery in order (owner)."""
    found = await pictures.put_in_order(here, business_id, caller.user_id, body.order)
    return Listed(items=[_in_gallery(one) for one in found], next_cursor=None)


@routes.patch("/gallery/{picture_id}", responses=refuses(Forbidden))
async def change(
    here: Here, *, business_id: UUID, picture_id: UUID, body: CaptionChange, caller: SignedIn
) -> GalleryPictureShown:
    """Change what stands under a picture (owner)."""
    changed = await pictures.caption(here, business_id, caller.user_id, picture_id, text=body.caption)
    return _in_gallery(changed)


@routes.delete(
    "/gallery/{picture_id}", status_code=204, response_class=Response, responses=refuses(Forbidden)
)
async def remove(here: Here, business_id: UUID, picture_id: UUID, caller: SignedIn) -> Response:
    """Take a picture out of the gallery (owner)."""
    await pictures.remove(here, business_id, caller.user_id, picture_id)
    return Response(status_code=204)


def _after(page: Page) -> tuple[int, UUID] | None:
    bad_cursor(page, 2)
    if page.after is None:
        return None
    position, last = page.after
    try:
        after = int(position), UUID(last)
    except ValueError:
        after = -1, UUID(int=0)
    if not 0 <= after[0] < 2**31:
        raise wrong_field("cursor", "cursor")
    return after


def shown(picture: Picture) -> ImageShown:
    """A picture as an answer."""
    return ImageShown(**_columns(picture))


def _in_gallery(picture: Picture) -> GalleryPictureShown:
    return GalleryPictureShown(**_columns(picture), caption=picture.caption)


def _columns(picture: Picture) -> dict[str, Any]:
    return {
        "id": picture.id,
        "file_id": picture.file_id,
        "url": path_of(picture.file_id),
        "width": picture.width,
        "height": picture.height,
        "variants": {name: path_of(picture.file_id, name) for name in _VARIANTS},
        "created_at": picture.created_at,
    }


def _json(picture: Picture) -> dict[str, Any]:
    return json_of(_in_gallery(picture))
