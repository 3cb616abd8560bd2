from django.utils.decorators import method_decorator
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.generic import TemplateView


@method_decorator(xframe_options_sameorigin, name="dispatch")
class ShoppingListPage(TemplateView):
    """The list. The home page shows this page in two frames, with `?framed`."""

    template_name = "shopping_list/list.html"
