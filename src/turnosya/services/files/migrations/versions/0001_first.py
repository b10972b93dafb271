"""Files, what they are made of, and what uses them."""

from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the three tables."""
    op.execute(
        """
        CREATE TABLE blobs (
            key text PRIMARY KEY,
            sha256 text NOT NULL UNIQUE,
            size_bytes bigint NOT NULL,
            content_type text NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE files (
            id uuid PRIMARY KEY,
            owner_id uuid NOT NULL,
            purpose text NOT NULL CHECK (
                purpose IN ('user_photo', 'business_image', 'chat_attachment', 'verification_document')),
            business_id uuid,
            conversation_id uuid,
            width integer,
            height integer,
            blob text NOT NULL REFERENCES blobs (key),
            thumb text REFERENCES blobs (key),
            medium text REFERENCES blobs (key),
            created_at timestamptz NOT NULL,
            kept_until timestamptz NOT NULL
        )
        """
    )
    for column in ("blob", "thumb", "medium", "kept_until"):
        op.execute(f"CREATE INDEX files_{column} ON files ({column})")
    op.execute("CREATE INDEX files_of_owner ON files (owner_id)")
    op.execute(
        """
        CREATE TABLE uses (
            file_id uuid REFERENCES files (id) ON DELETE CASCADE,
            used_by text,
            PRIMARY KEY (file_id, used_by)
        )
        """
    )


def downgrade() -> None:
    """Drops them."""
    op.execute("DROP TABLE uses")
    op.execute("DROP TABLE files")
    op.execute("DROP TABLE blobs")
