from django.apps import AppConfig


class ShoppingListConfig(AppConfig):
    name = "demo.shopping_list"
    verbose_name = "Shopping list"
