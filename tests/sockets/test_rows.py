"""What a row of a connection says about its user."""

from django.contrib.auth.models import User
from django.db import models
from django.test.utils import isolate_apps

from sockets.models import Socket
from sockets.rows import set_identity


@isolate_apps("sockets")
def test_a_row_has_the_key_of_the_user_for_a_child_of_the_user_model_with_another_key() -> None:
    class Member(User):
        number = models.AutoField(primary_key=True)
        user = models.OneToOneField(User, models.CASCADE, parent_link=True)

        class Meta:
            app_label = "sockets"

    row = Socket()
    set_identity(row, {"user": Member(id=7, user_id=7, number=1)})
    assert row.user_id == 7
