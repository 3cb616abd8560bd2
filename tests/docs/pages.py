import json
from functools import partial

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from rest_channels.groups import Group


@require_POST
@login_required
@transaction.atomic
def create_note(request):
    note = request.user.notes.create(title=request.POST.get("title", ""))
    text = json.dumps({"created": note.title})
    transaction.on_commit(partial(Group("board").send, {"text": text}))
    return HttpResponse(status=201)
