import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('sessions', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Node',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name='name')),
                ('seen', models.DateTimeField(db_index=True, verbose_name='last seen')),
            ],
            options={
                'verbose_name': 'server process',
                'verbose_name_plural': 'server processes',
            },
        ),
        migrations.CreateModel(
            name='Socket',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('session_key', models.CharField(blank=True, max_length=255, null=True, verbose_name='session key')),
                ('channel_name', models.CharField(max_length=100, unique=True, verbose_name='channel name')),
                ('path', models.CharField(db_index=True, max_length=255, verbose_name='path')),
                ('active', models.BooleanField(default=False, verbose_name='active')),
                ('connected_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name='connected at')),
                ('last_ping', models.DateTimeField(blank=True, null=True, verbose_name='last ping')),
                ('user_ip', models.CharField(blank=True, max_length=45, null=True, verbose_name='IP address')),
                ('node', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, to='sockets.node', verbose_name='server process')),
                ('session', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, to='sessions.session', verbose_name='session')),
                ('user', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'socket',
                'verbose_name_plural': 'sockets',
            },
        ),
    ]
