"""The tables of business."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

metadata = MetaData()

businesses = Table(
    "businesses",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    # The highest version ever given away: one that turnos was asked about may never have come to be.
    Column("last_version", Integer, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("description", Text),
    Column("category", Text),
    Column("address", JSONB(none_as_null=True)),
    Column("lat", Double),
    Column("lon", Double),
    Column("phone", Text),
    Column("email", Text),
    Column("website", Text),
    Column("accepted_payments", ARRAY(Text)),
    Column("currency", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("deleted", Boolean, nullable=False),
    # The word by which its page is addressed; stays when the name changes, so that links go on.
    Column("slug", Text, nullable=False),
    # Taken off by an admin: since when and why. Who did it is in the audit.
    Column("suspended_at", DateTime(timezone=True)),
    Column("suspended_reason", Text),
    # The papers of its owner were seen by an admin, and hold until then.
    Column("verified_until", DateTime(timezone=True)),
    # How many gave one star, two stars … five; as a recount of `ratings` would have it.
    Column("rating_counts", ARRAY(Integer), nullable=False, server_default=text("'{0,0,0,0,0}'")),
    # What it is found by (``store/found_by.py``): without accents, in small letters.
    Column("sought_name", Text, nullable=False, server_default=""),
    Column("sought_category", Text),
    Column("words", TSVECTOR, nullable=False, server_default=""),
    # Stars on average, null while there are none.
    Column("average", Double),
    # The same as if three people more had given four: one five alone is not the best of all.
    Column("esteem", Double, nullable=False, server_default="4"),
)
Index("businesses_slug", businesses.c.slug, unique=True)
Index("businesses_words", businesses.c.words, postgresql_using="gin")
Index("businesses_category", businesses.c.sought_category)
Index("businesses_average", businesses.c.average)
Index("businesses_esteem", text("(-esteem)"), businesses.c.id)
Index("businesses_place", businesses.c.lat, businesses.c.lon)
Index(
    "businesses_verified",
    businesses.c.verified_until,
    postgresql_where=businesses.c.verified_until.is_not(None),
)
Index("businesses_owner_id", businesses.c.owner_id, businesses.c.id)

# Every longer word that some business uses, for whoever mistypes one.
search_words = Table("search_words", metadata, Column("word", Text, primary_key=True))

services = Table(
    "services",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, ForeignKey("businesses.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("duration_minutes", Integer, nullable=False),
    Column("price_amount", BigInteger),
    Column("price_currency", Text),
    Column("description", Text),
    Column("buffer_before_minutes", Integer, nullable=False),
    Column("buffer_after_minutes", Integer, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("staff_ids", ARRAY(Uuid)),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("deleted", Boolean, nullable=False),
)
Index("services_business_id", services.c.business_id, services.c.id)

staff = Table(
    "staff",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, ForeignKey("businesses.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("user_id", Uuid),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("deleted", Boolean, nullable=False),
)
Index("staff_business_id", staff.c.business_id, staff.c.id)
# One account is one member of a business at most.
Index(
    "staff_user_key",
    staff.c.business_id,
    staff.c.user_id,
    unique=True,
    postgresql_where=~staff.c.deleted,
)

# Requests to be verified; the documents of those that neither wait nor hold are released.
verifications = Table(
    "verifications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, ForeignKey("businesses.id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("documents", ARRAY(Uuid), nullable=False),
    Column("reason", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("decided_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
    # When its owner must be reminded, or it ends.
    Column("next_step_at", DateTime(timezone=True)),
)
# One waits and one holds at most.
for _status in ("pending", "approved"):
    Index(
        f"verifications_{_status}",
        verifications.c.business_id,
        unique=True,
        postgresql_where=verifications.c.status == _status,
    )
Index("verifications_of_business", verifications.c.business_id, verifications.c.id)
Index("verifications_queue", verifications.c.status, verifications.c.id)
Index(
    "verifications_due",
    verifications.c.next_step_at,
    postgresql_where=verifications.c.next_step_at.is_not(None),
)

# What happened to them.
verification_steps = Table(
    "verification_steps",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("verification_id", Uuid, ForeignKey("verifications.id"), nullable=False),
    Column("business_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("what", Text, nullable=False),
    # Null where time did it, or who did has erased their account.
    Column("actor_id", Uuid),
    Column("reason", Text),
)
Index("verification_steps_of_business", verification_steps.c.business_id, verification_steps.c.id)
Index("verification_steps_of_actor", verification_steps.c.actor_id)

# What a business shows; its own id is what files knows the use by, so another file is another row.
pictures = Table(
    "pictures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, ForeignKey("businesses.id"), nullable=False),
    Column("place", Text, nullable=False),
    Column("file_id", Uuid, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("caption", Text),
    # In the gallery, the least first; gaps do not matter.
    Column("position", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("place IN ('profile_image', 'portrait_image', 'gallery')", name="known_places"),
    # A file once at a place: two additions of it at once are one.
    UniqueConstraint("business_id", "place", "file_id", name="a_file_once_at_a_place"),
)
Index(
    "pictures_one_each",
    pictures.c.business_id,
    pictures.c.place,
    unique=True,
    postgresql_where=pictures.c.place != "gallery",
)

# What somebody who was there thought of a business; one each, changed at will.
ratings = Table(
    "ratings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, ForeignKey("businesses.id"), nullable=False),
    # Null once they erased their account: the stars stay, the words go.
    Column("user_id", Uuid),
    Column("author_name", Text),
    Column("stars", Integer, nullable=False),
    Column("comment", Text),
    Column("reply", Text),
    Column("replied_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    # Taken out by an admin, and why: neither shown nor counted.
    Column("removed_at", DateTime(timezone=True)),
    Column("removed_reason", Text),
    UniqueConstraint("business_id", "user_id", name="one_rating_each"),
    CheckConstraint("stars BETWEEN 1 AND 5", name="one_to_five_stars"),
)
# That somebody says a rating should not be there: once each. Goes with the rating when that is taken back.
rating_reports = Table(
    "rating_reports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("rating_id", Uuid, ForeignKey("ratings.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # Since when an admin has looked at it.
    Column("settled_at", DateTime(timezone=True)),
    UniqueConstraint("rating_id", "user_id", name="one_report_each"),
)
Index("rating_reports_open", rating_reports.c.id, postgresql_where=rating_reports.c.settled_at.is_(None))
Index("rating_reports_of_user", rating_reports.c.user_id)
# Who was asked how it was: once for each business.
rating_invitations = Table(
    "rating_invitations",
    metadata,
    Column("business_id", Uuid, ForeignKey("businesses.id"), primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("invited_at", DateTime(timezone=True), nullable=False),
)
Index("rating_invitations_of_user", rating_invitations.c.user_id)
Index("ratings_of_user", ratings.c.user_id)
