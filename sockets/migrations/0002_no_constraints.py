import django.db.models.deletion
from typing import Any

from django.conf import settings
from django.db import migrations, models


def relation(to: str, verbose_name: str, db_constraint: bool) -> Any:
    return models.ForeignKey(
        blank=True, db_constraint=db_constraint, null=True,
        on_delete=django.db.models.deletion.DO_NOTHING, to=to, verbose_name=verbose_name,
    )


class Migration(migrations.Migration):
    """Drop the constraints that the first release created.

    The first migration creates none today, because the other table may be in another database.
    """

    dependencies = [
        ('sockets', '0001_initial'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField('socket', 'session', relation('sessions.session', 'session', True)),
                migrations.AlterField('socket', 'user', relation(settings.AUTH_USER_MODEL, 'user', True)),
            ],
        ),
        migrations.AlterField('socket', 'session', relation('sessions.session', 'session', False)),
        migrations.AlterField('socket', 'user', relation(settings.AUTH_USER_MODEL, 'user', False)),
    ]
